"""moto's S3 server with a bucket `bench`; prints its port, ends with its input."""

import logging
import sys
import urllib.request

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
bucket = urllib.request.Request(f"http://127.0.0.1:{port}/bench", method="PUT")
urllib.request.urlopen(bucket, timeout=10).close()
print(port, flush=True)
sys.stdin.read()
server.stop()
