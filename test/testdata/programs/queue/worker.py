# Takes job after job from a queue. At SIGTERM it finishes the job that it has.
import signal
import socket
import time

stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
queue = socket.create_connection(('127.0.0.1', PORT)).makefile('rw')
while not stopping:
    print('next', file=queue, flush=True)
    job = queue.readline()
    if not job:
        break
    time.sleep(0.001)  # stands for work
    print('done', job, end='', file=queue, flush=True)
