//! libtorrent, tuned for hosts on one network, through opentracker.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::{Tool, foreign};
use crate::Outcome;
use crate::field::{Field, Hold, PAYLOAD};
use crate::finish::Finishes;
use crate::machine::package_version;
use crate::member::Member;
use crate::record::Sample;

/// libtorrent with settings.
pub(crate) struct Libtorrent {
    name: &'static str,
    piece_bits: u32,
    tuned: Value,
    /// How these were chosen.
    chosen: &'static str,
}

impl Libtorrent {
    /// As an expert would set it for equal links.
    pub(crate) fn tuned() -> Self {
        let tuned = json!({ "unchoke_slots_limit": 4, "request_queue_time": 1 });
        Self { name: "libtorrent", piece_bits: 16, tuned, chosen: TRIED }
    }

    /// As an expert would set it for a file that is gone before peers take turns of 15 s.
    pub(crate) fn small() -> Self {
        let tuned = json!({ "unchoke_slots_limit": 4, "unchoke_interval": 1 });
        let chosen = "turns of a second, because all is over in one of 15 s";
        Self { name: "libtorrent", piece_bits: 17, tuned, chosen }
    }

    /// As an expert would set it where nothing but the machine limits.
    pub(crate) fn unlimited() -> Self {
        let tuned = json!({
            "unchoke_slots_limit": 8, "max_out_request_queue": 1500, "send_buffer_watermark": 4 << 20,
            "send_buffer_watermark_factor": 150, "send_buffer_low_watermark": 128 << 10,
            "aio_threads": 2, "hashing_threads": 2,
        });
        let chosen = "deep queues and buffers, as nothing but the machine limits";
        Self { name: "libtorrent", piece_bits: 18, tuned, chosen }
    }

    fn all_settings(&self, address: &str) -> Value {
        let mut all = json!({
            "listen_interfaces": format!("{address}:{PORT}"),
            "outgoing_interfaces": address,
            "enable_dht": false, "enable_lsd": false, "enable_upnp": false, "enable_natpmp": false,
            "enable_incoming_utp": false, "enable_outgoing_utp": false,
            "alert_mask": ALERTS,
            "allow_multiple_connections_per_ip": true,
            "out_enc_policy": 2, "in_enc_policy": 2,
            "connection_speed": 500, "torrent_connect_boost": 255,
            // Rates of a local network are limited apart unless told otherwise.
            "upload_rate_limit": 0, "download_rate_limit": 0,
        });
        let (Some(all), Some(tuned)) = (all.as_object_mut(), self.tuned.as_object()) else {
            return Value::Null;
        };
        all.extend(tuned.clone());
        Value::Object(all.clone())
    }

    fn start(&self, member: &Member, folder: &str) -> Outcome<Started> {
        let mut process = member
            .command("/usr/bin/python3")
            .args(["-c", include_str!("libtorrent_member.py")])
            .args([&member.file(foreign::TORRENT), folder])
            .arg(self.all_settings(&member.address).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let says = BufReader::new(process.stdout.take().ok_or("no stdout")?);
        Ok(Started { process, says })
    }
}

impl Tool for Libtorrent {
    fn name(&self) -> String {
        self.name.into()
    }

    fn version(&self) -> String {
        package_version("python3-libtorrent")
    }

    fn settings(&self) -> String {
        let mut settings = self.all_settings("ADDRESS");
        if let Some(map) = settings.as_object_mut() {
            map.remove("alert_mask");
        }
        let kib = 1 << (self.piece_bits - 10);
        format!("pieces of {kib} KiB, opentracker; {}; {settings}", self.chosen)
    }

    fn run(&self, field: &Field) -> Outcome<Sample> {
        foreign::prepare(field, self.piece_bits)?;
        let mut seeder =
            self.start(field.seeder(), &PAYLOAD[..PAYLOAD.len() - "/data.bin".len()])?;
        seeder.wait_for("ready")?;
        seeder.go()?;
        seeder.wait_for("announced")?;
        let start = |peer: &Member| self.start(peer, &peer.folder);
        let mut peers = field.peers().iter().map(start).collect::<Outcome<Vec<Started>>>()?;
        peers.iter_mut().try_for_each(|peer| peer.wait_for("ready"))?;
        let hold = Hold::of_child(&seeder.process)?;
        peers.iter_mut().try_for_each(Started::go)?;
        let mut finishes = Finishes::new();
        let mut processes = Vec::new();
        for (peer, member) in peers.into_iter().zip(field.peers()) {
            finishes.on_line(member.name.clone(), peer.says, Some("complete"));
            processes.push(peer.process);
        }
        field.wait_for_connections();
        let sample = field.race(&finishes, || drop(hold))?;
        field.verify("data.bin")?;
        Ok(sample)
    }
}

struct Started {
    process: Child,
    says: BufReader<ChildStdout>,
}

impl Started {
    fn go(&mut self) -> Outcome<()> {
        Ok(self.process.stdin.as_mut().ok_or("no stdin")?.write_all(b"go\n")?)
    }

    fn wait_for(&mut self, word: &str) -> Outcome<()> {
        let mut said = String::new();
        while !said.contains(word) {
            if self.says.read_line(&mut said)? == 0 {
                let status = self.process.wait()?;
                return Err(format!("it ended before it was {word}, with {status}: {said}").into());
            }
        }
        Ok(())
    }
}

/// What led to the settings for limited links.
const TRIED: &str = "as good as the best of 23 sets that were tried with 16 peers: 2 to 8 slots, \
fewer for the seeder, pieces of 32 to 256 KiB, turns of 1 to 60 s, shorter queues of requests and \
send buffers, suggestions, pieces announced early, both ways to choose whom a seed serves";

const PORT: u16 = 6999;
/// Status and tracker notifications.
const ALERTS: u32 = 1 << 6 | 1 << 4;
