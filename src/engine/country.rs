//! Countries and sets of countries.
//!
//! A country is its ISO 3166-1 alpha-2 code. A set is a bitmap over all two-letter codes, so that the algebra of
//! "possible and allowed" costs a few machine words and no allocation.

mod written;

use std::fmt;

use iso3166_static::Alpha2;
use serde::{Deserialize, Serialize};

/// An officially assigned ISO 3166-1 alpha-2 country code, in capitals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// Why a text is not a country.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACountry {
    /// Not two capital letters.
    #[error("{0:?} is not an ISO 3166-1 alpha-2 code (two capital letters)")]
    Form(String),
    /// Two capital letters that ISO 3166-1 does not assign.
    #[error("{0:?} is not assigned by ISO 3166-1")]
    Unassigned(String),
}

impl Country {
    /// Reads a code.
    ///
    /// # Errors
    ///
    /// When `code` is not two capital letters or ISO 3166-1 does not assign it.
    pub fn parse(code: &str) -> Result<Self, NotACountry> {
        match code.as_bytes() {
            &[a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => match Alpha2::try_from(code) {
                // Codes that ISO leaves to its users mean something else to each of them.
                Ok(known) if !known.is_user_assigned() => Ok(Self([a, b])),
                _ => Err(NotACountry::Unassigned(code.to_owned())),
            },
            _ => Err(NotACountry::Form(clip(code))),
        }
    }

    /// Whether ISO 3166-1 assigns the code. Only complements of sets hold codes of which it does not.
    pub fn is_assigned(&self) -> bool {
        Self::parse(self.as_str()).is_ok()
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Both bytes are ASCII capitals by construction.
        std::str::from_utf8(&self.0).unwrap_or("??")
    }

    fn index(self) -> usize {
        usize::from(self.0[0] - b'A') * LETTERS + usize::from(self.0[1] - b'A')
    }

    #[allow(clippy::cast_possible_truncation, reason = "both quotients are below 26")]
    fn from_index(index: usize) -> Self {
        Self([b'A' + (index / LETTERS) as u8, b'A' + (index % LETTERS) as u8])
    }
}

/// Bad input is repeated to its author, but never at its full length.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Country {
    type Error = NotACountry;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::parse(&code)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

const LETTERS: usize = 26;
const CODES: usize = LETTERS * LETTERS;
const WORDS: usize = CODES.div_ceil(64);

/// A set of countries. The full set stands for "anywhere".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CountrySet([u64; WORDS]);

impl CountrySet {
    /// No country.
    pub const EMPTY: Self = Self([0; WORDS]);
    /// Every code there is or may be: nothing constrains the place.
    pub const FULL: Self = Self([u64::MAX; WORDS]);

    /// The set of one country.
    pub fn only(country: Country) -> Self {
        let mut set = Self::EMPTY;
        set.insert(country);
        set
    }

    /// Adds a country.
    pub fn insert(&mut self, country: Country) {
        self.0[country.index() / 64] |= 1 << (country.index() % 64);
    }

    /// Takes a country away.
    pub fn remove(&mut self, country: Country) {
        self.0[country.index() / 64] &= !(1 << (country.index() % 64));
    }

    /// Whether the country is in the set.
    pub fn contains(&self, country: Country) -> bool {
        self.0[country.index() / 64] & (1 << (country.index() % 64)) != 0
    }

    /// Countries in either set.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    /// Countries in both sets.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        for (word, mask) in self.0.iter_mut().zip(other.0) {
            *word &= mask;
        }
        self
    }

    /// Countries in this set that are not in the other.
    #[must_use]
    pub fn difference(mut self, other: &Self) -> Self {
        for (word, mask) in self.0.iter_mut().zip(other.0) {
            *word &= !mask;
        }
        self
    }

    /// Whether the sets have a country in common.
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    /// Whether every country of this set is in the other.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| mine & !theirs == 0)
    }

    /// Whether there is no country in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether the set stands for "anywhere".
    pub fn is_full(&self) -> bool {
        *self == Self::FULL
    }

    /// How many countries there are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The countries in alphabetical order. Of the full set: every two-letter code.
    pub fn iter(&self) -> Countries {
        Countries { words: self.0, position: 0 }
    }

    /// The only country of the set, if there is exactly one.
    pub fn single(&self) -> Option<Country> {
        let mut countries = self.iter();
        countries.next().filter(|_| countries.next().is_none())
    }
}

/// The countries of a set. Costs one step a country and one a word, since most sets are small.
#[derive(Debug, Clone)]
pub struct Countries {
    words: [u64; WORDS],
    position: usize,
}

impl Iterator for Countries {
    type Item = Country;

    fn next(&mut self) -> Option<Country> {
        while let Some(word) = self.words.get_mut(self.position) {
            if *word == 0 {
                self.position += 1;
                continue;
            }
            let index = self.position * 64 + word.trailing_zeros() as usize;
            *word &= *word - 1;
            // The last word has room for more than there are codes.
            return (index < CODES).then(|| Country::from_index(index));
        }
        None
    }
}

impl IntoIterator for &CountrySet {
    type Item = Country;
    type IntoIter = Countries;

    fn into_iter(self) -> Countries {
        self.iter()
    }
}

impl FromIterator<Country> for CountrySet {
    fn from_iter<I: IntoIterator<Item = Country>>(countries: I) -> Self {
        let mut set = Self::EMPTY;
        for country in countries {
            set.insert(country);
        }
        set
    }
}

impl fmt::Display for CountrySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A complement such as "anywhere but one country" has hundreds of codes; naming them would help nobody.
        const READABLE: usize = 60;
        if self.is_full() {
            return f.write_str("anywhere");
        }
        if self.is_empty() {
            return f.write_str("nowhere");
        }
        if self.len() > READABLE {
            let missing = Self::FULL.difference(self);
            return write!(f, "anywhere but {missing}");
        }
        for (position, country) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(country.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for CountrySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assigned_codes_are_countries() {
        assert!(Country::parse("DE").is_ok());
        assert_eq!(Country::parse("XX"), Err(NotACountry::Unassigned("XX".into())));
        for bad in ["de", "DEU", "", "D", "ÄÖ", "D1"] {
            assert!(matches!(Country::parse(bad), Err(NotACountry::Form(_))), "{bad}");
        }
    }

    #[test]
    fn a_set_reads_in_alphabetical_order() {
        let set: CountrySet = ["ZA", "AD", "FR"].iter().map(|code| Country::parse(code).unwrap()).collect();
        assert_eq!(set.to_string(), "AD, FR, ZA");
        assert_eq!(CountrySet::FULL.to_string(), "anywhere");
        assert_eq!(CountrySet::FULL.difference(&set).to_string(), "anywhere but AD, FR, ZA");
        assert_eq!(CountrySet::EMPTY.to_string(), "nowhere");
    }
}
