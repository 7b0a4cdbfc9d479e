//! How the members of an archive are compressed: gzip members (RFC 1952) or frames of zstd
//! (RFC 8878). An archive has one kind throughout, so that any reader of it takes it as one file.

use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use zrip::{CompressContext, DecompressContext};

use super::entries::corrupt;
use super::header::BLOCK;
use super::refusal::UnpackError;

/// With what to compress, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Deflate's levels, from 1 to 9.
    Deflate(u32),
    /// Levels of zstd, from 1 to 4.
    Zstd(i32),
    /// Everything is stored as it is, in gzip members all the same.
    Store,
}

impl Default for Level {
    /// That of `gzip` itself.
    fn default() -> Self {
        Self::Deflate(6)
    }
}

/// Makes members; of one thread.
pub(super) enum Encoder {
    Gzip(Compression),
    /// Its tables are used again for each member.
    Zstd(Box<CompressContext>),
}

impl Encoder {
    pub(super) fn new(level: Level) -> Self {
        match level {
            Level::Deflate(level) => Self::Gzip(Compression::new(level)),
            Level::Store => Self::Gzip(Compression::none()),
            Level::Zstd(level) => {
                let context = CompressContext::new(level.clamp(1, 4));
                Self::Zstd(Box::new(context.expect("there are levels 1 to 4")))
            }
        }
    }

    pub(super) fn member(&mut self, input: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip(level) => {
                let is_stored = *level == Compression::none() || is_incompressible(input);
                gzip(input, if is_stored { Compression::none() } else { *level })
            }
            // It looks itself for what is compressed already.
            Self::Zstd(context) => {
                context.compress(input).expect("memory takes every byte").into_owned()
            }
        }
    }
}

fn gzip(input: &[u8], level: Compression) -> Vec<u8> {
    // What is stored gets 5 bytes longer with each block of 64 KiB at the most (RFC 1951).
    let room = if level == Compression::none() {
        input.len() + input.len() / 1000
    } else {
        input.len() / 2
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(room + GZIP), level);
    encoder.write_all(input).and_then(|()| encoder.finish()).expect("memory takes every byte")
}

/// Data that is compressed already, as a quick look at some of it tells, is stored as it is: that
/// is what the slow levels would come to, and it unpacks ten times as fast. The looks are at many
/// places, since a member may have many files in it.
fn is_incompressible(input: &[u8]) -> bool {
    let is_noise = |sample: &[u8]| {
        let packed = gzip(sample, Compression::fast()).len();
        packed * 100 > sample.len() * INCOMPRESSIBLE_PERCENT
    };
    input.len() >= SAMPLES * SAMPLE
        && input.chunks_exact(input.len() / SAMPLES).all(|part| is_noise(&part[..SAMPLE]))
}

/// What a member is, as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Zstd,
}

impl Codec {
    /// Whatever is no zstd is taken for gzip, whose reader says what is wrong with it.
    pub(super) fn of(packed: &[u8]) -> Self {
        if packed.starts_with(ZSTD_MAGIC) { Self::Zstd } else { Self::Gzip }
    }
}

/// Unpacks members; of one thread.
#[derive(Default)]
pub(super) struct Decoder {
    zstd: DecompressContext,
    plain: Vec<u8>,
}

impl Decoder {
    /// Unpacks one member, which has all of the packed bytes. It takes no more memory than
    /// `longest` bytes, whatever the member says of itself.
    pub(super) fn member(
        &mut self,
        codec: Codec,
        packed: &[u8],
        longest: usize,
    ) -> Result<&[u8], UnpackError> {
        let Self { zstd, plain } = self;
        let length = match codec {
            Codec::Gzip => gunzip(packed, longest, plain)?,
            Codec::Zstd => {
                plain.clear();
                let unpacked = zstd.decompress_into_with_limit(packed, plain, longest);
                unpacked.map_err(|error| UnpackError::Corrupt(io::Error::other(error)))?
            }
        };
        Ok(&plain[..length])
    }
}

fn gunzip(packed: &[u8], longest: usize, plain: &mut Vec<u8>) -> Result<usize, UnpackError> {
    // Longer by something, to see that nothing follows.
    plain.resize(longest + BLOCK, 0);
    let mut decoder = GzDecoder::new(packed);
    let mut length = 0;
    loop {
        match decoder.read(&mut plain[length..]).map_err(UnpackError::Corrupt)? {
            0 => break,
            got => length += got,
        }
    }
    if length > longest || !decoder.into_inner().is_empty() {
        return Err(corrupt("a member is not where the index has it"));
    }
    Ok(length)
}

/// RFC 8878, section 3.1.1.
pub(super) const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Header and trailer, rounded up.
const GZIP: usize = 64;
const SAMPLES: usize = 8;
const SAMPLE: usize = 8 << 10;
const INCOMPRESSIBLE_PERCENT: usize = 98;
