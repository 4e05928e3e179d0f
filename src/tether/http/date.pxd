# The Date field of a reply. Knows the wall clock only.

cdef bytes current_date()
