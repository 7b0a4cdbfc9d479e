//! Bencoding (BEP 3): the format of torrents, tracker answers and extension messages.
//!
//! A parsed [`Value`] borrows from its bytes, and a dictionary knows the raw bytes of each of its
//! values: a torrent's name is a hash over the bytes as they came, not over what we would write.
//! Whatever the bytes are, parsing takes time and memory in proportion to their number, and never
//! goes deeper than 32 values within one another.

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i-3e`
    Integer(i64),
    /// `4:spam`
    Bytes(&'a [u8]),
    /// `l4:spam4:eggse`
    List(Vec<Value<'a>>),
    /// `d3:cow3:moo4:spam4:eggse`
    Dict(Dict<'a>),
}

/// A dictionary, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dict<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<'a> {
    key: &'a [u8],
    value: Value<'a>,
    /// Empty if the dictionary was not parsed.
    raw: &'a [u8],
}

/// How strictly dictionaries are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Keys must be sorted (BEP 3), so that there is one form of each value.
    Sorted,
    /// Keys may come in any order, as some clients and trackers send them.
    Unsorted,
}

/// Where bytes stop being bencoded, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {problem}")]
pub struct BencodeError {
    /// Offset of the byte.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes end within a value.
    #[error("the data ends in the middle of a value")]
    Ends,
    /// No value begins with this byte.
    #[error("no value begins like this")]
    NoValue,
    /// Leading zeros, `-0`, no digits, or more than 64 bits.
    #[error("not a canonical 64-bit integer")]
    BadInteger,
    /// Leading zeros or no colon.
    #[error("not the length of a string")]
    BadLength,
    /// The key is not greater than the one before.
    #[error("a dictionary's keys are not sorted")]
    UnsortedKey,
    /// The key was there before.
    #[error("a dictionary has a key twice")]
    DuplicateKey,
    /// A key that is not a string.
    #[error("a dictionary's key is not a string")]
    BadKey,
    /// Nested beyond reason.
    #[error("values are nested more than 32 deep")]
    TooDeep,
    /// More values than anything of ours has.
    #[error("more than 131072 values")]
    TooMany,
    /// Bytes after the value.
    #[error("there is more after the value")]
    Trailing,
}

impl<'a> Value<'a> {
    /// Reads bytes that are one value and nothing else.
    pub fn parse(bytes: &'a [u8], keys: Keys) -> Result<Self, BencodeError> {
        let mut parser = Parser { bytes, at: 0, values: 0, keys };
        let value = parser.value(0)?;
        match parser.at == bytes.len() {
            true => Ok(value),
            false => Err(parser.error(Problem::Trailing)),
        }
    }

    /// Appends the one canonical form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => out.extend(format!("i{number}e").bytes()),
            Self::Bytes(bytes) => encode_bytes(bytes, out),
            Self::List(values) => {
                out.push(b'l');
                values.iter().for_each(|value| value.encode(out));
                out.push(b'e');
            }
            Self::Dict(dict) => dict.encode(out),
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The string, if it is one.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The string, if it is one and in UTF-8.
    pub fn as_text(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(values) = self { Some(values) } else { None }
    }

    /// The dictionary, if it is one.
    pub fn as_dict(&self) -> Option<&Dict<'a>> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }
}

impl<'a> Dict<'a> {
    /// A dictionary with one more value. The key must be new.
    #[must_use]
    pub fn with(mut self, key: &'a (impl AsRef<[u8]> + ?Sized), value: Value<'a>) -> Self {
        let key = key.as_ref();
        let at = self.entries.partition_point(|entry| entry.key < key);
        self.entries.insert(at, Entry { key, value, raw: &[] });
        self
    }

    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Value<'a>> {
        self.entry(key.as_ref()).map(|entry| &entry.value)
    }

    /// The bytes that the value of a key was parsed from.
    pub fn raw(&self, key: impl AsRef<[u8]>) -> Option<&'a [u8]> {
        self.entry(key.as_ref()).map(|entry| entry.raw)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Value<'a>)> {
        self.entries.iter().map(|entry| (entry.key, &entry.value))
    }

    /// Appends the one canonical form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        for (key, value) in self.iter() {
            encode_bytes(key, out);
            value.encode(out);
        }
        out.push(b'e');
    }

    fn entry(&self, key: &[u8]) -> Option<&Entry<'a>> {
        let at = self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok()?;
        self.entries.get(at)
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("{}:", bytes.len()).bytes());
    out.extend(bytes);
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
    keys: Keys,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, BencodeError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.error(Problem::TooMany));
        }
        if depth > MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        match self.peek()? {
            b'i' => self.integer().map(Value::Integer),
            b'0'..=b'9' => self.string().map(Value::Bytes),
            b'l' => self.list(depth).map(Value::List),
            b'd' => self.dict(depth).map(Value::Dict),
            _ => Err(self.error(Problem::NoValue)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value<'a>>, BencodeError> {
        let mut values = Vec::new();
        self.at += 1;
        while self.peek()? != b'e' {
            values.push(self.value(depth + 1)?);
        }
        self.at += 1;
        Ok(values)
    }

    fn dict(&mut self, depth: usize) -> Result<Dict<'a>, BencodeError> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        self.at += 1;
        while self.peek()? != b'e' {
            let key_at = self.at;
            if !self.peek()?.is_ascii_digit() {
                return Err(self.error(Problem::BadKey));
            }
            let key = self.string()?;
            if let Some(problem) = self.key_problem(&entries, key) {
                return Err(BencodeError { at: key_at, problem });
            }
            let value_at = self.at;
            let value = self.value(depth + 1)?;
            entries.push(Entry { key, value, raw: &self.bytes[value_at..self.at] });
        }
        self.sort(&mut entries)?;
        self.at += 1;
        Ok(Dict { entries })
    }

    fn key_problem(&self, entries: &[Entry<'a>], key: &[u8]) -> Option<Problem> {
        let before = entries.last()?.key;
        match key.cmp(before) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal => Some(Problem::DuplicateKey),
            std::cmp::Ordering::Less => (self.keys == Keys::Sorted).then_some(Problem::UnsortedKey),
        }
    }

    fn sort(&self, entries: &mut [Entry<'a>]) -> Result<(), BencodeError> {
        if self.keys == Keys::Sorted {
            return Ok(());
        }
        entries.sort_by_key(|entry| entry.key);
        match entries.windows(2).any(|pair| pair[0].key == pair[1].key) {
            true => Err(self.error(Problem::DuplicateKey)),
            false => Ok(()),
        }
    }

    fn integer(&mut self) -> Result<i64, BencodeError> {
        let start = self.at;
        let digits = &self.bytes[start + 1..];
        let digits = &digits[..digits.len().min(MAX_DIGITS + 1)];
        let Some(len) = digits.iter().position(|byte| *byte == b'e') else {
            let cut = digits.len() <= MAX_DIGITS && is_number_begun(digits);
            return Err(match cut {
                true => BencodeError { at: self.bytes.len(), problem: Problem::Ends },
                false => self.error(Problem::BadInteger),
            });
        };
        let number = std::str::from_utf8(&digits[..len])
            .ok()
            .and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text))
            .ok_or_else(|| self.error(Problem::BadInteger))?;
        self.at = start + len + 2;
        Ok(number)
    }

    fn string(&mut self) -> Result<&'a [u8], BencodeError> {
        let start = self.at;
        let mut len = 0_usize;
        while self.peek()?.is_ascii_digit() {
            let digit = usize::from(self.bytes[self.at] - b'0');
            self.at += 1;
            len = len
                .checked_mul(10)
                .and_then(|len| len.checked_add(digit))
                .filter(|len| {
                    *len <= MAX_STRING && (self.at == start + 1 || self.bytes[start] != b'0')
                })
                .ok_or(BencodeError { at: start, problem: Problem::BadLength })?;
        }
        if self.peek()? != b':' {
            return Err(BencodeError { at: start, problem: Problem::BadLength });
        }
        self.at += 1;
        match self.bytes[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(BencodeError { at: self.bytes.len(), problem: Problem::Ends }),
        }
    }

    fn peek(&self) -> Result<u8, BencodeError> {
        self.bytes.get(self.at).copied().ok_or_else(|| self.error(Problem::Ends))
    }

    fn error(&self, problem: Problem) -> BencodeError {
        BencodeError { at: self.at, problem }
    }
}

fn is_number_begun(digits: &[u8]) -> bool {
    digits.strip_prefix(b"-").unwrap_or(digits).iter().all(u8::is_ascii_digit)
}

/// A torrent nests 5 deep.
const MAX_DEPTH: usize = 31;
/// A value of 2 bytes takes some 50 in memory; this bounds it to some MB.
const MAX_VALUES: usize = 131_072;
/// Of `-9223372036854775808`.
const MAX_DIGITS: usize = 20;
/// Longer than any torrent.
const MAX_STRING: usize = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        Value::parse(bytes, Keys::Sorted).unwrap_err().to_string()
    }

    #[test]
    fn the_examples_of_bep_3_are_read_and_written() {
        let dict = |entries: &[(&'static str, Value<'static>)]| {
            let dict = Dict::default();
            Value::Dict(entries.iter().fold(dict, |dict, (key, v)| dict.with(*key, v.clone())))
        };
        let list = Value::List(vec![Value::Bytes(b"spam"), Value::Bytes(b"eggs")]);
        let cow = ("cow", Value::Bytes(b"moo"));
        for (bytes, value) in [
            (&b"4:spam"[..], Value::Bytes(b"spam")),
            (b"0:", Value::Bytes(b"")),
            (b"i3e", Value::Integer(3)),
            (b"i-3e", Value::Integer(-3)),
            (b"i0e", Value::Integer(0)),
            (b"i-9223372036854775808e", Value::Integer(i64::MIN)),
            (b"l4:spam4:eggse", list.clone()),
            (b"d3:cow3:moo4:spam4:eggse", dict(&[("spam", Value::Bytes(b"eggs")), cow])),
            (b"d4:spaml4:spam4:eggsee", dict(&[("spam", list)])),
            (b"de", dict(&[])),
        ] {
            let mut written = Vec::new();
            value.encode(&mut written);
            assert_eq!(written, bytes);
            let text = String::from_utf8_lossy(bytes);
            let mut again = Vec::new();
            Value::parse(bytes, Keys::Sorted).unwrap().encode(&mut again);
            assert_eq!(again, bytes, "{text}");
        }
    }

    #[test]
    fn a_dictionary_knows_the_bytes_of_its_values() {
        let value = Value::parse(b"d1:ai1e4:infod1:xleee", Keys::Sorted).unwrap();
        let dict = value.as_dict().unwrap();
        assert_eq!(dict.raw("info"), Some(&b"d1:xlee"[..]));
        assert_eq!(dict.get("a").and_then(Value::as_integer), Some(1));
        assert_eq!((dict.raw("b"), dict.get("infos")), (None, None));
    }

    #[test]
    fn integers_have_one_form() {
        for bytes in
            [&b"i03e"[..], b"i-0e", b"ie", b"i-e", b"i+1e", b"i1 e", b"i9223372036854775808e"]
        {
            assert_eq!(refused(bytes), "byte 0: not a canonical 64-bit integer");
        }
        assert_eq!(
            refused(&[b"i".as_slice(), &[b'9'; 999]].concat()),
            "byte 0: not a canonical 64-bit integer"
        );
    }

    #[test]
    fn strings_have_one_length() {
        for bytes in [&b"00:"[..], b"01:a", b"1a", b"99999999999999999999999:"] {
            assert_eq!(refused(bytes), "byte 0: not the length of a string");
        }
    }

    #[test]
    fn data_that_ends_too_early_is_refused_at_its_end() {
        let whole = b"d4:infod1:xl4:spami-12eeee";
        for end in 0..whole.len() {
            let error = format!("byte {end}: the data ends in the middle of a value");
            assert_eq!(refused(&whole[..end]), error);
        }
        assert_eq!(refused(b"9:spam"), "byte 6: the data ends in the middle of a value");
    }

    #[test]
    fn keys_are_sorted_strings_and_each_is_there_once() {
        assert_eq!(refused(b"d1:b0:1:a0:e"), "byte 6: a dictionary's keys are not sorted");
        assert_eq!(refused(b"d1:a0:1:a0:e"), "byte 6: a dictionary has a key twice");
        assert_eq!(refused(b"di1e0:e"), "byte 1: a dictionary's key is not a string");
    }

    #[test]
    fn unsorted_keys_can_be_allowed_but_not_the_same_one_twice() {
        let value = Value::parse(b"d1:bi2e1:ai1ee", Keys::Unsorted).unwrap();
        assert_eq!(value.as_dict().unwrap().get("b"), Some(&Value::Integer(2)));
        let twice = Value::parse(b"d1:b0:1:a0:1:b0:e", Keys::Unsorted).unwrap_err();
        assert_eq!(twice.to_string(), "byte 16: a dictionary has a key twice");
    }

    #[test]
    fn what_is_no_value_or_has_something_after_it_is_refused() {
        assert_eq!(refused(b"x"), "byte 0: no value begins like this");
        assert_eq!(refused(b"l-e"), "byte 1: no value begins like this");
        assert_eq!(refused(b"i1e\n"), "byte 3: there is more after the value");
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert_eq!(refused(&[b'l'; 1 << 20]), "byte 32: values are nested more than 32 deep");
        let mut many = vec![b'l'];
        (0..1 << 17).for_each(|_| many.extend(b"le"));
        assert_eq!(refused(&many), "byte 262143: more than 131072 values");
    }

    #[test]
    fn broken_bytes_never_panic_and_what_is_read_is_canonical() {
        let mut chance = fastrand::Rng::with_seed(2);
        let whole = b"d8:announce3:url4:infod6:lengthi-12e4:listl1:a0:i7eldeee4:name3:abcee";
        let mut read = 0;
        for _ in 0..50_000 {
            let mut broken = whole.to_vec();
            for _ in 0..chance.usize(1..4) {
                let at = chance.usize(..broken.len());
                broken[at] = b"0123456789-:ildex"[chance.usize(..17)];
            }
            if let Ok(value) = Value::parse(&broken, Keys::Sorted) {
                let mut again = Vec::new();
                value.encode(&mut again);
                assert_eq!(again, broken);
                read += 1;
            }
        }
        assert!(read > 100, "{read}");
    }
}
