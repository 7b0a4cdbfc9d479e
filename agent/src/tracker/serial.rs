//! The forms that ids and times have in the tracker's file.

/// Whatever has a text form, as that text.
pub(super) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::tracker) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in crate::tracker) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// The same for what may be missing.
pub(super) mod maybe_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de::Error};

    pub(in crate::tracker) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(to)
    }

    pub(in crate::tracker) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// A time as microseconds. The tracker counts from 1970, so it holds over a restart.
pub(super) mod time {
    use murder_swarm::Time;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::tracker) fn serialize<S: Serializer>(
        time: &Time,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.as_micros())
    }

    pub(in crate::tracker) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Time, D::Error> {
        u64::deserialize(from).map(Time::from_micros)
    }
}

/// A time that may be missing.
pub(super) mod maybe_time {
    use murder_swarm::Time;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub(in crate::tracker) fn serialize<S: Serializer>(
        time: &Option<Time>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Time::as_micros).serialize(to)
    }

    pub(in crate::tracker) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Time>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Time::from_micros))
    }
}
