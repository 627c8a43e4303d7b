//! Sets of countries as text that can be read again without loss: codes with spaces between them, `*` for anywhere, and
//! `* -DE` for anywhere but there. Most sets hold a bloc, so that a list of JSON strings would be twice as long.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Country, CountrySet};

/// Stands for every code there is or may be.
const ANYWHERE: &str = "*";

impl Serialize for CountrySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Only what was once anywhere goes beyond the last code.
        let is_complement = self.0[self.0.len() - 1] >> 63 == 1;
        let words: Vec<String> = if is_complement {
            let missing = Self::FULL.difference(self);
            let but = missing.iter().map(|country| format!("-{country}"));
            [ANYWHERE.to_owned()].into_iter().chain(but).collect()
        } else {
            self.iter().map(|country| country.to_string()).collect()
        };
        serializer.serialize_str(&words.join(" "))
    }
}

impl<'de> Deserialize<'de> for CountrySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut set = Self::EMPTY;
        for (position, word) in text.split(' ').filter(|word| !word.is_empty()).enumerate() {
            let unknown = || D::Error::custom(format!("{word:?} is not a country"));
            if word == ANYWHERE && position == 0 {
                set = Self::FULL;
                continue;
            }
            match word.strip_prefix('-') {
                Some(code) => set.remove(any(code).ok_or_else(unknown)?),
                None => set.insert(any(word).ok_or_else(unknown)?),
            }
        }
        Ok(set)
    }
}

/// Two capital letters. Complements hold codes that ISO 3166-1 does not assign, and those must come back as well.
fn any(code: &str) -> Option<Country> {
    match code.as_bytes() {
        &[a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Some(Country([a, b])),
        _ => None,
    }
}

#[cfg(all(test, feature = "operator"))]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_as_they_were_written() {
        let [de, fr] = ["DE", "FR"].map(|code| Country::parse(code).unwrap());
        let both: CountrySet = [fr, de].into_iter().collect();
        let elsewhere = CountrySet::FULL.difference(&both);
        let sets = [
            CountrySet::EMPTY,
            CountrySet::FULL,
            both,
            elsewhere,
            elsewhere.union(&both),
            elsewhere.union(&CountrySet::only(de)),
        ];
        let text = sets.map(|set| serde_json::to_string(&set).unwrap());
        assert_eq!(text[..4], [r#""""#, r#""*""#, r#""DE FR""#, r#""* -DE -FR""#]);
        for (set, text) in sets.iter().zip(&text) {
            assert_eq!(serde_json::from_str::<CountrySet>(text).unwrap(), *set, "{text}");
        }
        assert!(serde_json::from_str::<CountrySet>(r#""de""#).is_err());
    }
}
