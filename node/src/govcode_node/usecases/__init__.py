"""The steps of the flows (clause 6): domain and ports only. Each module reads like the paragraph it carries out."""
