"""Licence providers (电子证照): the seals and containers of licences, the embedded provider and the HTTP one."""
