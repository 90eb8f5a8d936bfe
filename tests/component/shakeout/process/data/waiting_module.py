"""A module whose import does not end."""

import threading

print("it waits for the tide", flush=True)
threading.Event().wait()
