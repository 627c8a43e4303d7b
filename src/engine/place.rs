//! Where something may be: the three-valued answer that every placement gives.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::country::CountrySet;

/// The countries in which something may come to lie or run.
///
/// Three-valued: a set of countries, anywhere (the full set), or unknown with a reason. What may happen counts as
/// happening, so a placement complies only if every country of the set is allowed and nothing is unproven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// As far as is known: every country that is possible.
    pub countries: CountrySet,
    /// Why the set is not proven, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<String>,
}

impl Places {
    /// Exactly these countries, proven.
    pub const fn known(countries: CountrySet) -> Self {
        Self { countries, unproven: None }
    }

    /// Nothing constrains the place.
    pub const fn anywhere() -> Self {
        Self::known(CountrySet::FULL)
    }

    /// The place cannot be told, for this reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self { countries: CountrySet::FULL, unproven: Some(reason.into()) }
    }

    /// Whether every possible place is proven to be in `allowed`.
    pub fn within(&self, allowed: &CountrySet) -> bool {
        self.unproven.is_none() && self.countries.is_subset(allowed)
    }

    /// Both constraints hold at once. One that is proven proves the whole: a doubt about the other cannot widen it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let unconstrained = |places: &Self| places.unproven.is_none() && places.countries.is_full();
        if unconstrained(&self) {
            return other;
        }
        if unconstrained(&other) {
            return self;
        }
        let countries = self.countries.intersection(&other.countries);
        let unproven = match (self.unproven, other.unproven) {
            (Some(reason), Some(_)) => Some(reason),
            _ => None,
        };
        Self { countries, unproven }
    }

    /// Either may happen.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { countries: self.countries.union(&other.countries), unproven: self.unproven.or(other.unproven) }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unproven {
            Some(reason) if self.countries.is_full() => write!(f, "an unknown place ({reason})"),
            Some(reason) => write!(f, "{}, unproven ({reason})", self.countries),
            None => write!(f, "{}", self.countries),
        }
    }
}
