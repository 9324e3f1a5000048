"""The sandbox (沙箱, N-54): real nodes in one process, where client authors meet every outcome and every error.

It is put together from what production runs; what is made up stands in this package alone: synthetic subjects, magic
scenes and serials, a clock that can be moved, and holders that answer by themselves. All codes are TEST codes, which
production refuses, as the sandbox refuses those of production.
"""
