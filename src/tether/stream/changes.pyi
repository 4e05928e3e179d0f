# What Python sees of a buffer's observers (changes.pyx). A test holds the two together.

class Observer:
    def cancel(self) -> None: ...
