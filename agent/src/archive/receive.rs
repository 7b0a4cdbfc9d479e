//! Takes in an archive that was packed on another machine, and hashes it as it arrives.

use std::io::{BufRead, Read as _, Write as _};
use std::path::Path;

use murder_protocol::verbs::{PackEvent, PackReply};
use murder_protocol::{Decoded, Frame, decode};
use murder_swarm::Lengths;
use murder_swarm::metainfo::{About, Kind};

use super::members::Members;
use super::new_file::NewFile;
use super::pack::{PackError, Packed, Sent};
use super::pieces::{PieceWriter, Pieces};

/// Reads what the verb `pack` writes into a file beside `archive`. Each packet's bytes follow its
/// line.
pub fn receive(input: &mut dyn BufRead, kind: Kind, archive: &Path) -> Result<Packed, PackError> {
    let PackEvent::Begins { tree_bytes, piece_length } = event(input)? else {
        return Err(PackError::Cut("it has no beginning".to_owned()));
    };
    // A length that none can have would go unnoticed until all of it is here.
    Lengths::new(1, piece_length)?;
    let file = NewFile::create(archive)?;
    let mut out = PieceWriter::new(&file.file, piece_length);
    let reply = loop {
        match frame(input)? {
            Frame::Event(PackEvent::Bytes { length, .. }) => {
                copy(input, length, &mut out, &file)?;
            }
            Frame::Reply(reply) => break reply,
            Frame::Event(PackEvent::Begins { .. }) | Frame::Failed(_) => {
                return Err(PackError::Cut("packing has failed".to_owned()));
            }
        }
    };
    let (_, arrived) = out.finish();
    let members = compare(&reply, &arrived)?;
    let about = About { kind, tree_bytes, entries: reply.entries };
    let Pieces { total, hashes } = arrived;
    Packed::of(Sent { total, pieces: hashes, members, about }, file, piece_length)
}

fn event(input: &mut dyn BufRead) -> Result<PackEvent, PackError> {
    match frame(input)? {
        Frame::Event(event) => Ok(event),
        Frame::Reply(_) | Frame::Failed(_) => Err(PackError::Cut("nothing was packed".to_owned())),
    }
}

fn frame(input: &mut dyn BufRead) -> Result<Frame<PackEvent, PackReply>, PackError> {
    let mut line = String::new();
    let read = input.take(LONGEST_LINE).read_line(&mut line);
    read.map_err(|error| PackError::Cut(error.to_string()))?;
    match decode(&line) {
        Decoded::Frame(frame) => Ok(frame),
        _ if line.is_empty() => Err(PackError::Cut("its sender has gone".to_owned())),
        _ => Err(PackError::Cut("a line of it is unreadable".to_owned())),
    }
}

fn copy(
    input: &mut dyn BufRead,
    length: u32,
    out: &mut PieceWriter<&std::fs::File>,
    file: &NewFile,
) -> Result<(), PackError> {
    let mut left = length as usize;
    while left > 0 {
        let got = input.fill_buf().map_err(|error| PackError::Cut(error.to_string()))?;
        if got.is_empty() {
            return Err(PackError::Cut("its sender has gone".to_owned()));
        }
        let taken = got.len().min(left);
        out.write_all(&got[..taken]).map_err(|error| file.failed(error))?;
        input.consume(taken);
        left -= taken;
    }
    Ok(())
}

/// The index, if all is as its sender hashed it.
fn compare(reply: &PackReply, arrived: &Pieces) -> Result<Members, PackError> {
    if reply.archive_bytes != arrived.total {
        return Err(PackError::Differs("its length"));
    }
    if reply.pieces.0 != arrived.hashes.as_flattened() {
        return Err(PackError::Differs("a hash"));
    }
    Members::decode(&reply.index.0, arrived.total).ok_or(PackError::Differs("its index"))
}

/// The index of a tree of a TiB has 16 MB, and base64 adds a third.
const LONGEST_LINE: u64 = 64 << 20;
