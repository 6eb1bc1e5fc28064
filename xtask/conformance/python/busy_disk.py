"""By hand: topics of 10,000 partitions on `serve --brokers 3` while others keep the volume busy.

    python busy_disk.py BINARY DIRECTORY [ROUNDS [WRITERS]]

Makes and deletes a topic per round, waits until all directories are there, or gone, and counts in the
broker's log how often the quorum changed its leader, how often a broker was fenced, and how long a node did
nothing else ("a turn took long"). Needs confluent-kafka. DIRECTORY is deleted first.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time

from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 10_000
PATIENCE = 120
CHUNK = 1 << 20
FILE_CHUNKS = 512


class Cluster:
    def __init__(self, binary, root):
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        self.root, self.seen = root, 0
        words = ["serve", "--listen", "127.0.0.1:0", "--brokers", "3", "--data-dir", f"{root}/data"]
        with open(f"{root}/serve.log", "w") as log:
            self.process = subprocess.Popen(
                [binary, *words], stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.bootstrap = self.process.stdout.readline().strip().split(" on ")[1]

    def directories(self):
        nodes = (os.listdir(f"{self.root}/data/node-{node}") for node in (1, 2, 3))
        return sum(name.startswith("many-") for names in nodes for name in names)

    def report(self, what, began):
        with open(f"{self.root}/serve.log") as log:
            text = re.sub(r"\x1b\[[0-9;]*m", "", log.read())
        new, self.seen = text[self.seen :], len(text)
        turns = [int(ms) for ms in re.findall(r"busy_ms=(\d+)", new)]
        print(
            f"{what}: {time.time() - began:.1f} s,",
            f"new controllers {new.count('controls now')}, fenced {new.count('fenced=true')},",
            f"long turns {len(turns)}, longest {max(turns, default=0)} ms",
            flush=True,
        )


def keep_busy(path, stopped):
    chunk = os.urandom(CHUNK)
    while not stopped.is_set():
        with open(path, "wb", 0) as file:
            for written in range(FILE_CHUNKS):
                if stopped.is_set():
                    break
                file.write(chunk)
                if written % 64 == 63:
                    os.fsync(file.fileno())


def wait(condition):
    until = time.time() + 3 * PATIENCE
    while not condition() and time.time() < until:
        time.sleep(0.5)
    time.sleep(3)  # whoever was taken for dead is found out a little later


def change(futures):
    try:
        next(iter(futures.values())).result(PATIENCE)
    except Exception as error:
        print("refused:", error)


def main(binary, root, rounds=2, writers=2):
    cluster, stopped = Cluster(binary, root), threading.Event()
    names = [f"{root}/busy-{writer}" for writer in range(int(writers))]
    busy = [threading.Thread(target=keep_busy, args=(name, stopped)) for name in names]
    for thread in busy:
        thread.start()
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    time.sleep(3)
    cluster.report("begun", time.time())
    try:
        for _ in range(int(rounds)):
            began = time.time()
            change(admin.create_topics([NewTopic("many", PARTITIONS, 3)], request_timeout=PATIENCE))
            wait(lambda: cluster.directories() >= 3 * PARTITIONS)
            cluster.report("created", began)
            began = time.time()
            change(admin.delete_topics(["many"], request_timeout=PATIENCE))
            wait(lambda: cluster.directories() == 0)
            cluster.report("deleted", began)
    finally:
        stopped.set()
        for thread in busy:
            thread.join()
        cluster.process.terminate()
        cluster.process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
