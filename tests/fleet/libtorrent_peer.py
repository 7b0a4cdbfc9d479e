"""A libtorrent peer for the interoperation tests.

libtorrent_peer.py TORRENT FOLDER TRACKER [SECONDS]

Fetches the torrent into the folder through the tracker, or serves what is there. Prints "complete"
once it has everything; ends then, or when its stdin is closed if "-" stands in place of SECONDS.
"""

import sys

import libtorrent

torrent, folder, tracker, *rest = sys.argv[1:]
stays = rest == ["-"]
session = libtorrent.session(
    {
        "listen_interfaces": "0.0.0.0:6999",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "alert_mask": libtorrent.alert.category_t.status_notification
        | libtorrent.alert.category_t.error_notification
        | libtorrent.alert.category_t.tracker_notification,
    }
)
params = libtorrent.add_torrent_params()
params.ti = libtorrent.torrent_info(torrent)
params.save_path = folder
params.trackers = [f"http://{tracker}/announce"]
handle = session.add_torrent(params)
announced = complete = False
while not (complete and announced):
    if not session.wait_for_alert(60_000):
        sys.exit(f"nothing happened for a minute: {handle.status().state}")
    for alert in session.pop_alerts():
        print(alert.message(), file=sys.stderr)
        announced |= isinstance(alert, libtorrent.tracker_reply_alert)
    complete = handle.status().is_seeding
print("complete", flush=True)
if stays:
    sys.stdin.read()
