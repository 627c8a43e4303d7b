//! Whose data an object touches, and how we know.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::country::CountrySet;
use super::law::matter::Matter;

/// Personal data as the decision sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// Where the data was collected and where its subjects are: every one of them binds.
    pub origins: CountrySet,
    /// Why the origins are not known, when a declaration of them cannot be read. Nothing is allowed then.
    pub unknown_origin: Option<String>,
    /// Data categories (W3C DPV terms or fideslang keys). Empty: not declared, which every category rule matches,
    /// since an undeclared category may be any.
    pub categories: Vec<String>,
    /// What brings the data into the object, for people: a namespace label, a store, a flow.
    pub via: Source,
    /// Subdivisions among the origins (ISO 3166-2), whose own law binds as well.
    pub regions: Vec<String>,
    /// Declarations that come with the data and may carry it abroad: the store itself, and flows that lead into it.
    pub carriers: Vec<Arc<Matter>>,
}

impl Data {
    /// Data of these origins, with nothing else declared.
    pub fn of(origins: CountrySet, via: Source) -> Self {
        Self { origins, unknown_origin: None, categories: Vec::new(), via, regions: Vec::new(), carriers: Vec::new() }
    }

    /// Whether every policy binds this data at least as much as the other. Of two that are alike the earlier rules.
    pub fn rules(&self, other: &Self, earlier: bool) -> bool {
        let readable = self.unknown_origin.is_none() && other.unknown_origin.is_none();
        // What a declaration may carry abroad is bound less.
        let free = self.carriers.is_empty() || self.carriers == other.carriers;
        let regions = other.regions.iter().all(|region| self.regions.contains(region));
        let alike = self.origins == other.origins
            && self.categories == other.categories
            && self.regions == other.regions
            && self.carriers == other.carriers;
        let covers = self.categories.is_empty() || self.categories == other.categories;
        readable && free && regions && covers && other.origins.is_subset(&self.origins) && (!alike || earlier)
    }
}

/// What declares data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// The origin label of a namespace.
    Namespace(String),
    /// An origin label of the object itself.
    Label,
    /// A data store: namespace, name.
    Store(String, String),
    /// A data flow: namespace, name.
    Flow(String, String),
    /// Another object that the data comes from: kind, namespace, name.
    Object(String, String, String),
}

impl Source {
    /// The name of the object that declares it, where there is one of our kinds.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Store(_, name) | Self::Flow(_, name) => Some(name),
            Self::Namespace(_) | Self::Label | Self::Object(..) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "the origin label of namespace {name}"),
            Self::Label => f.write_str("its own origin label"),
            Self::Store(namespace, name) => write!(f, "DataStore {namespace}/{name}"),
            Self::Flow(namespace, name) => write!(f, "DataFlow {namespace}/{name}"),
            Self::Object(kind, namespace, name) => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}
