"""A module that starts a thread and handles a signal when it is imported, as some do."""

import signal
import threading

signal.signal(signal.SIGUSR1, lambda *_: None)
threading.Thread(target=threading.Event().wait, daemon=True).start()
