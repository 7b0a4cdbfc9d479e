//! The frames of zstd in an archive without an index, read one after the other.
//!
//! Each is unpacked as a whole, and so none may be longer than what memory is for. That is far more
//! than `pack` makes; a frame that holds a whole archive, as `zstd` writes it, is refused.

use std::io::{self, BufRead, Read};

use zrip::DecompressContext;

use super::codec::ZSTD_MAGIC;

/// A reader of what the frames hold.
pub(super) struct Frames<R> {
    input: R,
    decoder: DecompressContext,
    packed: Vec<u8>,
    plain: Vec<u8>,
    /// Bytes of `plain` that were read.
    at: usize,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(input: R) -> Self {
        let (packed, plain) = (Vec::new(), Vec::new());
        Self { input, decoder: DecompressContext::new(), packed, plain, at: 0 }
    }

    /// Takes in a frame up to its end, which only its blocks tell (RFC 8878, section 3.1.1).
    fn frame(&mut self) -> io::Result<()> {
        self.packed.clear();
        let magic_and_descriptor = self.take(ZSTD_MAGIC.len() + 1)?;
        if !magic_and_descriptor.starts_with(ZSTD_MAGIC) {
            return Err(invalid("what follows is no frame of zstd"));
        }
        let descriptor = usize::from(magic_and_descriptor[ZSTD_MAGIC.len()]);
        let is_single_segment = descriptor & 0x20 != 0;
        let size = [usize::from(is_single_segment), 2, 4, 8][descriptor >> 6];
        let dictionary = [0, 1, 2, 4][descriptor & 3];
        self.take(usize::from(!is_single_segment) + dictionary + size)?;
        loop {
            let header = self.take(3)?;
            let header =
                usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            let is_repeated_byte = header >> 1 & 3 == 1;
            self.take(if is_repeated_byte { 1 } else { header >> 3 })?;
            if header & 1 == 1 {
                break;
            }
        }
        let has_checksum = descriptor & 4 != 0;
        self.take(if has_checksum { 4 } else { 0 })?;
        Ok(())
    }

    /// Takes in so many more bytes of the frame.
    fn take(&mut self, bytes: usize) -> io::Result<&[u8]> {
        let start = self.packed.len();
        if start + bytes > LONGEST {
            return Err(invalid("a frame of it is longer than 8 MiB"));
        }
        self.input.by_ref().take(bytes as u64).read_to_end(&mut self.packed)?;
        if self.packed.len() < start + bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(&self.packed[start..])
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if self.input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame()?;
            self.plain.clear();
            self.at = 0;
            let Self { decoder, packed, plain, .. } = self;
            decoder
                .decompress_into_with_limit(packed, plain, LONGEST)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let got = (&self.plain[self.at..]).read(buffer)?;
        self.at += got;
        Ok(got)
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// RFC 8878 wants at least windows of 8 MB to be read; no window is larger than its frame here.
const LONGEST: usize = 8 << 20;
