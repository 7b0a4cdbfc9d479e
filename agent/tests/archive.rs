//! Trees that go through an archive, and archives that nobody should unpack.

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use murder_agent::archive::{
    Arrivals, Exclude, Level, Limits, Members, PackError, PackRequest, Packed, UnpackError,
    UnpackRequest, pack, unpack,
};
use murder_agent::blamed::{Blamed as _, chain};
use murder_agent::place::remove_tree;
use murder_swarm::metainfo::Kind;
use murder_swarm::{Lengths, PieceSet};
use support::{describe, nasty_tree, write};
use tar::{EntryType, Header};

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.source()).unwrap();
        fs::create_dir(bench.dir.path().join("spool")).unwrap();
        fs::create_dir(bench.staging()).unwrap();
        bench
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn staging(&self) -> PathBuf {
        self.dir.path().join("staging")
    }

    fn archive(&self) -> PathBuf {
        self.dir.path().join("spool/v1.tgz")
    }

    fn request(&self, exclude: &[&str]) -> PackRequest {
        let exclude: Vec<_> = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
        PackRequest {
            source: self.source(),
            kind: Kind::Tree,
            exclude: Exclude::parse(&exclude).unwrap(),
            level: Level::default(),
        }
    }

    fn pack(&self, request: &PackRequest) -> Result<Packed, PackError> {
        pack(request, &self.archive(), &mut |_, _| ())
    }

    /// The failure's text, with the test's own folder cut out. Nothing is left in the spool.
    fn pack_error(&self, request: &PackRequest) -> String {
        let failure = self.pack(request).unwrap_err().failure().to_string();
        assert_eq!(self.dir.path().join("spool").read_dir().unwrap().count(), 0);
        failure.replace(self.dir.path().to_str().unwrap(), "")
    }

    fn unpack(&self, limits: Limits) -> Result<(), UnpackError> {
        unpack_whole(&self.archive(), None, &self.staging(), limits)
    }

    /// The error of unpacking an archive of these entries, whose torrent promises a lot.
    fn refusal(&self, entries: &[Raw<'_>]) -> String {
        write_archive(&self.archive(), entries);
        let limits = Limits { tree_bytes: 1 << 20, entries: 100, keep_owner: false };
        chain(&self.unpack(limits).unwrap_err())
    }
}

/// Unpacks an archive that is there from the beginning.
fn unpack_whole(
    archive: &Path,
    members: Option<&Members>,
    staging: &Path,
    limits: Limits,
) -> Result<(), UnpackError> {
    let file = File::open(archive).unwrap();
    let lengths = Lengths::new(file.metadata().unwrap().len(), 1 << 16).unwrap();
    let arrivals = Arrivals::new(lengths, PieceSet::full(&lengths));
    let arrivals = &arrivals;
    unpack(&UnpackRequest { archive: &file, arrivals, members, staging, limits }).map(drop)
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A tree with read-only folders takes more than tempfile does.
        let _ = remove_tree(self.dir.path());
    }
}

fn limits(packed: &Packed) -> Limits {
    let about = packed.about;
    Limits { tree_bytes: about.tree_bytes, entries: about.entries, keep_owner: false }
}

/// An entry of a hostile archive, as raw as it gets.
struct Raw<'a> {
    kind: EntryType,
    path: &'a [u8],
    link: &'a [u8],
    content: &'a [u8],
}

fn raw<'a>(kind: EntryType, path: &'a str, link: &'a str) -> Raw<'a> {
    Raw { kind, path: path.as_bytes(), link: link.as_bytes(), content: b"" }
}

fn write_archive(path: &Path, entries: &[Raw<'_>]) {
    let mut gzip = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_size(entry.content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let fields = header.as_old_mut();
        fields.name[..entry.path.len()].copy_from_slice(entry.path);
        fields.linkname[..entry.link.len()].copy_from_slice(entry.link);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        gzip.write_all(entry.content).unwrap();
        gzip.write_all(&vec![0; entry.content.len().next_multiple_of(512) - entry.content.len()])
            .unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap();
}

#[test]
fn a_nasty_tree_comes_out_as_it_went_in() {
    let bench = Bench::new();
    nasty_tree(&bench.source());
    let packed = bench.pack(&bench.request(&[])).unwrap();
    assert!(!bench.archive().exists());
    let limits = limits(&packed);
    let lengths = packed.lengths;
    assert_eq!(packed.pieces.len(), lengths.pieces() as usize);
    packed.publish().unwrap();
    assert_eq!(bench.archive().metadata().unwrap().len(), lengths.total());
    assert_eq!(bench.archive().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    bench.unpack(limits).unwrap();
    assert_eq!(describe(&bench.staging()), describe(&bench.source()));
}

#[test]
fn gnu_tar_reads_the_archive_alike() {
    let bench = Bench::new();
    nasty_tree(&bench.source());
    bench.pack(&bench.request(&[])).unwrap().publish().unwrap();
    let output = Command::new("tar")
        .arg("xzpf")
        .arg(bench.archive())
        .arg("-C")
        .arg(bench.staging())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    assert_eq!(describe(&bench.staging()), describe(&bench.source()));
}

#[test]
fn the_same_tree_gives_the_same_archive() {
    let bench = Bench::new();
    nasty_tree(&bench.source());
    let one = bench.pack(&bench.request(&[])).unwrap().pieces;
    assert_eq!(bench.pack(&bench.request(&[])).unwrap().pieces, one);
}

#[test]
fn git_files_and_what_the_operator_excludes_are_left_out() {
    let bench = Bench::new();
    for dir in [".git/objects", "src/.github", "build/x"] {
        fs::create_dir_all(bench.source().join(dir)).unwrap();
    }
    for file in [".git/HEAD", ".gitignore", "src/main.c", "src/main.o", "build/x/y"] {
        write(&bench.source().join(file), b"x");
    }
    let packed = bench.pack(&bench.request(&["*.o", "/build"])).unwrap();
    let limits = limits(&packed);
    packed.publish().unwrap();
    bench.unpack(limits).unwrap();
    let paths: Vec<_> = describe(&bench.staging()).into_keys().collect();
    assert_eq!(paths, ["", "src", "src/main.c"].map(PathBuf::from));
}

#[test]
fn one_file_is_an_archive_of_one_entry() {
    let bench = Bench::new();
    let file = bench.source().join("data");
    write(&file, b"some data");
    symlink("data", bench.source().join("latest")).unwrap();
    let source = bench.source().join("latest");
    let request = PackRequest { source, kind: Kind::File, ..bench.request(&[]) };
    let packed = bench.pack(&request).unwrap();
    assert_eq!((packed.about.entries, packed.about.tree_bytes), (1, 9));
    let limits = limits(&packed);
    packed.publish().unwrap();
    bench.unpack(limits).unwrap();
    assert_eq!(fs::read(bench.staging().join("latest")).unwrap(), b"some data");
}

#[test]
fn what_can_not_be_packed_is_named() {
    let bench = Bench::new();
    let request = bench.request(&[]);
    assert_eq!(
        bench.pack_error(&request),
        "/source has nothing in it to distribute (give a directory with files, or \
         exclude less)"
    );
    let missing = PackRequest { source: bench.source().join("no"), ..request.clone() };
    assert_eq!(
        bench.pack_error(&missing),
        "/source/no does not exist (give a path that exists there)"
    );
    let file = bench.source().join("file");
    write(&file, b"x");
    let is_file = PackRequest { source: file.clone(), ..request.clone() };
    assert_eq!(
        bench.pack_error(&is_file),
        "/source/file is a file and not a directory (add path_is_file=1)"
    );
    let is_dir = PackRequest { kind: Kind::File, ..request.clone() };
    assert_eq!(
        bench.pack_error(&is_dir),
        "/source is a directory and not a file (leave path_is_file out)"
    );
    let fifo = bench.source().join("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_eq!(
        bench.pack_error(&request),
        "/source/pipe is a named pipe (remove it or exclude it)"
    );
    bench.pack(&bench.request(&["pipe"])).unwrap();
    fs::remove_file(&fifo).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.source().join("sock")).unwrap();
    assert_eq!(bench.pack_error(&request), "/source/sock is a socket (remove it or exclude it)");
}

#[test]
fn an_archive_is_not_packed_into_itself() {
    let bench = Bench::new();
    let source = bench.dir.path().to_owned();
    let request = PackRequest { source: source.clone(), ..bench.request(&[]) };
    assert_eq!(
        bench.pack_error(&request),
        "the archive is to be written to /spool, which is part of what goes into it (exclude that \
         folder, or set temp_path to another one)"
    );
    bench.pack(&PackRequest { source, ..bench.request(&["/spool/"]) }).unwrap();
}

/// Changes the tree as soon as packing has begun, and says what came of it.
fn pack_while(bench: &Bench, change: impl Fn(&Path)) -> String {
    write(&bench.source().join("a"), &[1; 1_000_000]);
    write(&bench.source().join("b"), &[2; 1_000_000]);
    let mut changed = false;
    let result = pack(&bench.request(&[]), &bench.archive(), &mut |bytes, _| {
        if bytes > 0 && !std::mem::replace(&mut changed, true) {
            change(&bench.source());
        }
    });
    assert_eq!(bench.dir.path().join("spool").read_dir().unwrap().count(), 0);
    chain(&result.unwrap_err()).replace(bench.dir.path().to_str().unwrap(), "")
}

#[test]
fn a_tree_that_changes_while_it_is_read_is_no_archive() {
    let append = |path: &Path| {
        File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
    };
    let shrink = |path: &Path| File::options().write(true).open(path).unwrap().set_len(9).unwrap();
    let changed = |name: &str| format!("/source{name} changed while it was packed");
    let pack_while = |change: &dyn Fn(&Path)| pack_while(&Bench::new(), change);
    assert_eq!(pack_while(&|source| append(&source.join("a"))), changed("/a"));
    assert_eq!(pack_while(&|source| shrink(&source.join("a"))), changed("/a"));
    assert_eq!(pack_while(&|source| shrink(&source.join("b"))), changed("/b"));
    assert_eq!(pack_while(&|source| write(&source.join("new"), b"x")), changed(""));
    assert_eq!(
        pack_while(&|source| fs::remove_file(source.join("b")).unwrap()),
        "could not read /source/b: No such file or directory (os error 2)"
    );
}

#[test]
fn the_left_overs_of_a_crash_are_written_over_and_a_second_writer_is_refused() {
    let bench = Bench::new();
    write(&bench.source().join("a"), b"x");
    let left_over = bench.dir.path().join("spool/v1.tgz.new");
    write(&left_over, &[0; 100_000]);
    let packed = bench.pack(&bench.request(&[])).unwrap();
    let second = bench.pack(&bench.request(&[])).unwrap_err().failure().to_string();
    assert_eq!(
        second,
        format!("another create_torrent is writing {} (wait for it to end)", left_over.display())
    );
    let length = packed.lengths.total();
    packed.publish().unwrap();
    assert_eq!(bench.archive().metadata().unwrap().len(), length);
    assert!(!left_over.exists());
}

#[test]
fn entries_that_would_leave_the_tree_are_refused() {
    use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().to_str().unwrap();
    let absolute = format!("{outside}/x");
    for (entries, wanted) in [
        (vec![raw(Regular, &absolute, "")], format!("{absolute:?} is an absolute path")),
        (vec![raw(Regular, "../x", "")], "\"../x\" leads upwards".to_owned()),
        (vec![raw(Directory, "a/../../x/", "")], "\"a/../../x/\" leads upwards".to_owned()),
        (
            vec![raw(Symlink, "l", outside), raw(Regular, "l/x", "")],
            "\"l/x\" leads through something that is not a folder of the archive".to_owned(),
        ),
        (
            vec![raw(Symlink, "l", outside), raw(Directory, "l/", "")],
            "\"l/\" leads through something that is not a folder of the archive".to_owned(),
        ),
        (
            vec![raw(Symlink, "l", &absolute), raw(Regular, "l", "")],
            "\"l\" is there twice".to_owned(),
        ),
        (
            vec![raw(Link, "h", "/etc/passwd")],
            "\"h\" is a hard link that leads out of the tree".to_owned(),
        ),
        (
            vec![raw(Link, "h", "a/../../../etc/passwd")],
            "\"h\" is a hard link that leads out of the tree".to_owned(),
        ),
        (
            vec![raw(Symlink, "l", "/etc"), raw(Link, "h", "l/passwd")],
            "\"h\" is a hard link to no file of the archive before it".to_owned(),
        ),
        (
            vec![raw(Link, "h", "later")],
            "\"h\" is a hard link to no file of the archive before it".to_owned(),
        ),
        (vec![raw(Char, "tty", "")], "\"tty\" is a device".to_owned()),
        (vec![raw(Block, "sda", "")], "\"sda\" is a device".to_owned()),
        (vec![raw(Fifo, "p", "")], "\"p\" is a named pipe".to_owned()),
        (
            vec![raw(EntryType::new(b'V'), "v", "")],
            "\"v\" is of a kind that is not unpacked".to_owned(),
        ),
        (vec![raw(Regular, "./", "")], "\"./\" has no name".to_owned()),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.refusal(&entries), format!("the archive's entry {wanted}"));
        assert_eq!(Path::new(outside).read_dir().unwrap().count(), 0);
    }
}

#[test]
fn a_symlink_may_point_anywhere_because_nothing_follows_it() {
    let bench = Bench::new();
    write_archive(&bench.archive(), &[raw(EntryType::Symlink, "l", "../../etc")]);
    bench.unpack(Limits { tree_bytes: 0, entries: 1, keep_owner: false }).unwrap();
    assert_eq!(bench.staging().join("l").read_link().unwrap(), Path::new("../../etc"));
}

#[test]
fn more_than_the_torrent_promised_is_refused_early() {
    let bench = Bench::new();
    let content = [b'x'; 1000];
    let file = |path| Raw { content: &content, ..raw(EntryType::Regular, path, "") };
    write_archive(&bench.archive(), &[file("a"), file("b")]);
    let refused = |tree_bytes, entries| {
        let bench = Bench { dir: tempfile::tempdir_in(bench.dir.path()).unwrap() };
        let archive = bench.dir.path().parent().unwrap().join("spool/v1.tgz");
        fs::create_dir(bench.staging()).unwrap();
        let limits = Limits { tree_bytes, entries, keep_owner: false };
        chain(&unpack_whole(&archive, None, &bench.staging(), limits).unwrap_err())
    };
    assert_eq!(
        refused(1999, 2),
        "the archive has more in it than the 1999 bytes in 2 entries of its torrent"
    );
    assert_eq!(
        refused(2000, 1),
        "the archive has more in it than the 2000 bytes in 1 entries of its torrent"
    );
    assert_eq!(refused(2001, 2), "the archive ends after 2000 of the 2001 bytes of its torrent");
    assert_eq!(refused(2000, 3), "the archive has 2 of the 3 entries of its torrent");
}

#[test]
fn a_bomb_in_a_long_name_stops_before_it_fills_the_memory() {
    let bench = Bench::new();
    let content = vec![0; 64 << 20];
    let bomb = Raw { content: &content, ..raw(EntryType::GNULongName, "././@LongLink", "") };
    write_archive(&bench.archive(), &[bomb]);
    let limits = Limits { tree_bytes: 10, entries: 1, keep_owner: false };
    assert_eq!(
        chain(&bench.unpack(limits).unwrap_err()),
        "the archive has more in it than the 10 bytes in 1 entries of its torrent"
    );
}

#[test]
fn a_damaged_archive_is_an_error() {
    let bench = Bench::new();
    write(&bench.archive(), b"something else than gzip");
    let limits = Limits { tree_bytes: 10, entries: 1, keep_owner: false };
    assert_eq!(
        chain(&bench.unpack(limits).unwrap_err()),
        "the archive is damaged: invalid gzip header"
    );
    write_archive(&bench.archive(), &[raw(EntryType::Regular, "x", "")]);
    let whole = fs::read(bench.archive()).unwrap();
    fs::write(bench.archive(), &whole[..whole.len() - 12]).unwrap();
    let fresh = bench.dir.path().join("fresh");
    fs::create_dir(&fresh).unwrap();
    assert!(matches!(
        unpack_whole(&bench.archive(), None, &fresh, limits),
        Err(UnpackError::Corrupt(_))
    ));
}

#[test]
fn zstd_and_tar_read_an_archive_of_zstd() {
    let bench = Bench::new();
    nasty_tree(&bench.source());
    let packed = bench.pack(&PackRequest { level: Level::Zstd(4), ..bench.request(&[]) }).unwrap();
    packed.publish().unwrap();
    let tested = Command::new("zstd").arg("--test").arg("--quiet").arg(bench.archive()).status();
    assert!(tested.unwrap().success());
    let mut tar = Command::new("tar");
    tar.arg("--zstd").arg("-xpf").arg(bench.archive()).arg("-C").arg(bench.staging());
    assert!(tar.status().unwrap().success());
    assert_eq!(describe(&bench.staging()), describe(&bench.source()));
}

/// A frame of one block that repeats a byte, and says that it holds so many bytes.
fn zstd_frame(says: u64, holds: u32) -> Vec<u8> {
    let block = (holds << 3 | 1 << 1 | 1).to_le_bytes();
    // A single segment, whose size has eight bytes (RFC 8878, section 3.1.1.1).
    [ZSTD_MAGIC, &[0xe0], &says.to_le_bytes(), &block[..3], b"x"].concat()
}

const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Of unpacking these bytes, with an index that has them as one member and without one.
fn errors(archive: &[u8]) -> [String; 2] {
    let bench = Bench::new();
    write(&bench.archive(), archive);
    let length = u32::try_from(archive.len()).unwrap();
    let index = [(1_u32 << 20).to_be_bytes(), length.to_be_bytes()].concat();
    let members = Members::decode(&index, length.into()).unwrap();
    let limits = Limits { tree_bytes: 1 << 40, entries: 10, keep_owner: false };
    [Some(&members), None].map(|members| {
        let staging =
            bench.dir.path().join(if members.is_some() { "by-index" } else { "in-order" });
        fs::create_dir(&staging).unwrap();
        chain(&unpack_whole(&bench.archive(), members, &staging, limits).unwrap_err())
    })
}

#[test]
fn a_frame_of_zstd_that_says_it_is_huge_is_refused_before_memory_is_taken() {
    let too_long = "the archive is damaged: output buffer too small".to_owned();
    assert_eq!(errors(&zstd_frame(1 << 40, 5)), [too_long.clone(), too_long]);
    // A window of 64 GiB instead (section 3.1.1.1.2), and no size.
    let window = [ZSTD_MAGIC, &[0, 26 << 3], &[5 << 3 | 3, 0, 0], b"x"].concat();
    let too_large = "the archive is damaged: window size 68719476736 exceeds max 134217728";
    assert_eq!(errors(&window), [too_large, too_large]);
    // And one whose packed bytes go on and on.
    let blocks = [[0, 0, 0x10].as_slice(), &[0; 1 << 17]].concat().repeat(80);
    let endless = [ZSTD_MAGIC, &[0, 0], blocks.as_slice()].concat();
    let bench = Bench::new();
    write(&bench.archive(), &endless);
    let limits = Limits { tree_bytes: 1 << 40, entries: 10, keep_owner: false };
    assert_eq!(
        chain(&bench.unpack(limits).unwrap_err()),
        "the archive is damaged: a frame of it is longer than 8 MiB"
    );
}

#[test]
fn a_damaged_archive_of_zstd_is_an_error_that_says_where() {
    let bench = Bench::new();
    nasty_tree(&bench.source());
    let packed = bench.pack(&PackRequest { level: Level::Zstd(1), ..bench.request(&[]) }).unwrap();
    let (members, limits) = (packed.members.clone(), limits(&packed));
    packed.publish().unwrap();
    let whole = fs::read(bench.archive()).unwrap();
    let mut flipped = whole.clone();
    // The first frame's checksum is the last that stands before the second one.
    let second = whole[4..].windows(4).position(|bytes| bytes == ZSTD_MAGIC).unwrap() + 4;
    flipped[second - 1] ^= 1;
    let garbage = [&whole, b"garbage".as_slice()].concat();
    for (bytes, members, wanted) in [
        (&flipped, Some(&members), "the archive is damaged: checksum mismatch"),
        (&flipped, None, "the archive is damaged: checksum mismatch"),
        (
            &whole[..whole.len() - 2].to_vec(),
            None,
            "the archive is damaged: unexpected end of file",
        ),
        (&garbage, None, "the archive is damaged: what follows is no frame of zstd"),
    ] {
        fs::write(bench.archive(), bytes).unwrap();
        remove_tree(&bench.staging()).unwrap();
        fs::create_dir(bench.staging()).unwrap();
        let error = unpack_whole(&bench.archive(), members, &bench.staging(), limits).unwrap_err();
        assert!(chain(&error).starts_with(wanted), "{}", chain(&error));
    }
}

#[test]
fn an_archive_of_gzip_and_zstd_is_refused_with_an_index_as_without_one() {
    let bench = Bench::new();
    write(&bench.source().join("a"), &[b'x'; 1_200_000]);
    write(&bench.source().join("b"), &[b'y'; 1_200_000]);
    let pack = |level| {
        let packed = bench.pack(&PackRequest { level, ..bench.request(&[]) }).unwrap();
        let (index, limits) = (packed.members.encode(), limits(&packed));
        packed.publish().unwrap();
        (fs::read(bench.archive()).unwrap(), index, limits)
    };
    let first = |index: &[u8]| u32::from_be_bytes(*index[4..].first_chunk().unwrap()) as usize;
    let (gzip, gzip_index, limits) = pack(Level::default());
    let (zstd, zstd_index, _) = pack(Level::Zstd(4));
    let (of_gzip, of_zstd) = (first(&gzip_index), first(&zstd_index));
    let mixed = [&gzip[..of_gzip], &zstd[of_zstd..]].concat();
    let index = [&zstd_index[..4], &gzip_index[4..8], &zstd_index[8..]].concat();
    let members = Members::decode(&index, mixed.len() as u64).unwrap();
    fs::write(bench.archive(), &mixed).unwrap();
    let unpacked = unpack_whole(&bench.archive(), Some(&members), &bench.staging(), limits);
    assert!(matches!(unpacked, Err(UnpackError::Corrupt(_))));
}

#[test]
fn set_id_bits_are_taken_over_with_the_owner_only() {
    let bench = Bench::new();
    let file = bench.source().join("su");
    write(&file, b"#!");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
    let packed = bench.pack(&bench.request(&[])).unwrap();
    let limits = limits(&packed);
    packed.publish().unwrap();
    bench.unpack(limits).unwrap();
    let mode = |root: &Path| root.join("su").metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&bench.staging()), 0o755);
    let kept = bench.dir.path().join("kept");
    fs::create_dir(&kept).unwrap();
    let limits = Limits { keep_owner: true, ..limits };
    unpack_whole(&bench.archive(), None, &kept, limits).unwrap();
    assert_eq!(mode(&kept), 0o6755);
}
