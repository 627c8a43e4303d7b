//! What is known about one object before it is judged. Made by `interpret`, and by nothing else.
//!
//! Facts can be written down and read again without loss, so that a decision can be made again later (`written`).

mod written;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::CountrySet;
use super::data::Data;
use super::exception::Subject;
use super::law::matter::Matter;
use super::place::Places;
use super::policy::Asker;

/// What happens to data at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Act {
    /// Personal data is gathered from people.
    Collect,
    /// Personal data rests.
    Store,
    /// Personal data is worked on.
    Process,
    /// People look at personal data.
    Access,
    /// A second copy of personal data rests.
    Backup,
    /// Personal data is handed to another party.
    Transfer,
}

impl Act {
    /// Every act, in the order of the data's life.
    pub const ALL: [Self; 6] = [Self::Collect, Self::Store, Self::Process, Self::Access, Self::Backup, Self::Transfer];

    /// The verb for "... data there".
    pub fn verb(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Store => "store",
            Self::Process => "process",
            Self::Access => "access",
            Self::Backup => "back up",
            Self::Transfer => "transfer",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// Everything about one object that the decision reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "written::Written", try_from = "written::Written")]
pub struct Facts {
    /// What the object would do with personal data, and where. Empty: the object is out of scope.
    pub placements: Vec<Placement>,
    /// Stores and flows that come with it, before the law.
    pub matters: Vec<Stake>,
    /// What the object is called, where exceptions may ask; none: no exception is about it.
    pub subject: Option<Subject>,
}

/// A store or flow that an object stands for, or works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stake {
    /// The store or flow.
    pub matter: Arc<Matter>,
    /// The field by which another object works for it; none: the object is the store or flow itself.
    pub field: Option<String>,
}

/// One statement: this object would do this to this data in these places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// What happens.
    pub act: Act,
    /// The field that says where, as a path from the object's root.
    pub field: String,
    /// Whose data. Each is judged by itself and the strictest wins.
    pub data: Vec<Arc<Data>>,
    /// Where it may happen.
    pub places: Places,
    /// Whether and how the object may be made right.
    pub flexibility: Flexibility,
}

impl Facts {
    /// Whether the object has nothing to do with personal data.
    pub fn is_empty(&self) -> bool {
        self.placements.is_empty() && self.matters.is_empty()
    }
}

impl Placement {
    /// What is asked, and by whom.
    pub fn asked(&self) -> (Act, Asker) {
        let asker = if self.flexibility == Flexibility::Person { Asker::Person } else { Asker::Object };
        (self.act, asker)
    }
}

/// How a placement can be made right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flexibility {
    /// It cannot: the place is what the object says.
    Fixed,
    /// It cannot: somebody asks for it, and is where a policy declares them to be.
    Person,
    /// The possible places can be narrowed to any subset, by a constraint on nodes.
    Nodes,
    /// One of several named alternatives can be taken instead.
    Choice {
        /// Whether the place is decided by the pod that comes first, which is judged itself: it is enough then that
        /// an allowed place is possible.
        with_pod: bool,
        /// What could stand in the field instead.
        alternatives: Vec<Alternative>,
    },
    /// The region of a provider can be replaced by another.
    Region {
        /// The provider.
        provider: String,
        /// Its regions.
        regions: Vec<Alternative>,
        /// Whether that may be done here, where a policy wants it; otherwise it is only told.
        may_take: bool,
    },
}

/// A named alternative, for example a storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its name, as the field would say it.
    pub name: String,
    /// Where it would put the data.
    pub places: Places,
    /// Whether the pod that comes first decides.
    pub with_pod: bool,
}

impl Alternative {
    /// Whether the data would be in an allowed place.
    pub fn fits(&self, allowed: &CountrySet) -> bool {
        if self.with_pod {
            !self.places.countries.intersection(allowed).is_empty()
        } else {
            self.places.within(allowed)
        }
    }
}
