"""A libtorrent peer or seeder of the benchmark.

libtorrent_member.py TORRENT FOLDER SETTINGS

Waits for a line on stdin, so that what it takes to load is not in the numbers; then adds the
torrent, fetches it into the folder or serves what is there. Prints "announced" when the tracker
has answered and "complete" when it has everything; ends when stdin is closed.
"""

import json
import os
import select
import sys

import libtorrent

torrent, folder, settings = sys.argv[1:]
session = libtorrent.session(json.loads(settings))
# Not wait_for_alert: it gives an alert that libtorrent may move meanwhile, and then the process
# dies of SIGSEGV. This only tells that there are some.
alerts, wake = os.pipe()
session.set_alert_fd(wake)
params = libtorrent.add_torrent_params()
params.ti = libtorrent.torrent_info(torrent)
params.save_path = folder
print("ready", flush=True)
STDIN = sys.stdin.fileno()
os.read(STDIN, 4096)
handle = session.add_torrent(params)
told = set()


def tell(word):
    if word not in told:
        told.add(word)
        print(word, flush=True)


while True:
    ready, _, _ = select.select([STDIN, alerts], [], [])
    if STDIN in ready and not os.read(STDIN, 4096):
        break
    if alerts in ready:
        os.read(alerts, 4096)
        for alert in session.pop_alerts():
            if isinstance(alert, libtorrent.tracker_reply_alert):
                tell("announced")
            if isinstance(alert, libtorrent.torrent_finished_alert):
                tell("complete")
