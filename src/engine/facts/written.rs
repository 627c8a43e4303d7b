//! Facts as they are written down. Data and declarations are shared between placements; each is written once, and shared
//! again when it is read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Act, Facts, Flexibility, Placement, Stake};
use crate::engine::country::CountrySet;
use crate::engine::data::{Data, Source};
use crate::engine::exception::Subject;
use crate::engine::law::matter::Matter;
use crate::engine::place::Places;

/// Facts, with positions in two lists where data and declarations stand.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "shared")]
    declarations: Vec<Arc<Matter>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    data: Vec<WrittenData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    placements: Vec<WrittenPlacement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    matters: Vec<WrittenStake>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
}

/// Shared values as those that they are: whether they are shared is for whoever reads them.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(list: &[Arc<T>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|one| &**one))
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Vec<Arc<T>>, D::Error> {
        Ok(Vec::<T>::deserialize(d)?.into_iter().map(Arc::new).collect())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenData {
    origins: CountrySet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_origin: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    categories: Vec<String>,
    via: Source,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    regions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    carriers: Vec<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WrittenPlacement {
    act: Act,
    field: String,
    data: Vec<usize>,
    places: Places,
    flexibility: Flexibility,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WrittenStake {
    matter: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// Facts that name something that does not stand in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("facts name {0} number {1}, which they do not hold")]
pub struct Missing(&'static str, usize);

/// The position of a value in a list, which it joins if it is not there yet.
fn position<T: PartialEq>(list: &mut Vec<Arc<T>>, one: &Arc<T>) -> usize {
    let known = list.iter().position(|known| Arc::ptr_eq(known, one) || known == one);
    known.unwrap_or_else(|| {
        list.push(one.clone());
        list.len() - 1
    })
}

impl From<Facts> for Written {
    fn from(facts: Facts) -> Self {
        let Facts { placements, matters, subject } = facts;
        let mut declarations = Vec::new();
        let mut data: Vec<Arc<Data>> = Vec::new();
        let placements = placements
            .into_iter()
            .map(|Placement { act, field, data: held, places, flexibility }| {
                let held = held.iter().map(|one| position(&mut data, one)).collect();
                WrittenPlacement { act, field, data: held, places, flexibility }
            })
            .collect();
        let matters = matters
            .into_iter()
            .map(|Stake { matter, field }| WrittenStake { matter: position(&mut declarations, &matter), field })
            .collect();
        let data = data
            .iter()
            .map(|one| {
                let Data { origins, unknown_origin, categories, via, regions, carriers } = Data::clone(one);
                let carriers = carriers.iter().map(|matter| position(&mut declarations, matter)).collect();
                WrittenData { origins, unknown_origin, categories, via, regions, carriers }
            })
            .collect();
        Self { declarations, data, placements, matters, subject }
    }
}

impl TryFrom<Written> for Facts {
    type Error = Missing;

    fn try_from(written: Written) -> Result<Self, Missing> {
        let Written { declarations, data, placements, matters, subject } = written;
        let declared = |at: usize| declarations.get(at).cloned().ok_or(Missing("declaration", at));
        let data: Vec<Arc<Data>> = data
            .into_iter()
            .map(|WrittenData { origins, unknown_origin, categories, via, regions, carriers }| {
                let carriers = carriers.into_iter().map(declared).collect::<Result<_, _>>()?;
                Ok(Arc::new(Data { origins, unknown_origin, categories, via, regions, carriers }))
            })
            .collect::<Result<_, _>>()?;
        let held = |at: usize| data.get(at).cloned().ok_or(Missing("data", at));
        Ok(Self {
            placements: placements
                .into_iter()
                .map(|WrittenPlacement { act, field, data, places, flexibility }| {
                    let data = data.into_iter().map(held).collect::<Result<_, _>>()?;
                    Ok(Placement { act, field, data, places, flexibility })
                })
                .collect::<Result<_, _>>()?,
            matters: matters
                .into_iter()
                .map(|WrittenStake { matter, field }| Ok(Stake { matter: declared(matter)?, field }))
                .collect::<Result<_, _>>()?,
            subject,
        })
    }
}
