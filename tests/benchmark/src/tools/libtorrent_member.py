"""A libtorrent peer or seeder of the benchmark.

libtorrent_member.py TORRENT FOLDER SETTINGS

Waits for a line on stdin, so that what it takes to load is not in the numbers; then adds the
torrent, fetches it into the folder or serves what is there. Prints "announced" when the tracker
has answered and "complete" when it has everything; ends when stdin is closed.
"""

import json
import sys
import threading

import libtorrent

torrent, folder, settings = sys.argv[1:]
session = libtorrent.session(json.loads(settings))
params = libtorrent.add_torrent_params()
params.ti = libtorrent.torrent_info(torrent)
params.save_path = folder
print("ready", flush=True)
sys.stdin.readline()
handle = session.add_torrent(params)


def tell():
    announced = complete = False
    while not (announced and complete):
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, libtorrent.tracker_reply_alert) and not announced:
                announced = True
                print("announced", flush=True)
            if isinstance(alert, libtorrent.torrent_finished_alert) and not complete:
                complete = True
                print("complete", flush=True)


threading.Thread(target=tell, daemon=True).start()
sys.stdin.read()
