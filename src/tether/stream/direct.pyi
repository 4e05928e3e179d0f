# What Python sees of direct.pyx: why OpenSSL cannot be called directly here, "" where it can.

unavailable: str
