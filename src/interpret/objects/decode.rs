//! Decoders that skip what nobody reads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{CLASS_ANNOTATION, DEFAULT_CLASS, SELECTED_NODE};

/// Metadata with the parts that matter; the rest of `ObjectMeta` stays empty.
pub fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Light {
        name: Option<String>,
        generate_name: Option<String>,
        namespace: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        #[serde(default, deserialize_with = "annotations")]
        annotations: Option<BTreeMap<String, String>>,
        uid: Option<String>,
        resource_version: Option<String>,
        generation: Option<i64>,
        owner_references: Option<Vec<OwnerReference>>,
        creation_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
        deletion_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
    }
    let light = Option::<Light>::deserialize(deserializer)?.unwrap_or_default();
    // By name and without `..`, so that nothing that is read here can be forgotten.
    let Light {
        name,
        generate_name,
        namespace,
        labels,
        annotations,
        uid,
        resource_version,
        generation,
        owner_references,
        creation_timestamp,
        deletion_timestamp,
    } = light;
    Ok(ObjectMeta {
        name,
        generate_name,
        namespace,
        labels,
        annotations,
        uid,
        resource_version,
        generation,
        owner_references,
        creation_timestamp,
        deletion_timestamp,
        ..ObjectMeta::default()
    })
}

/// Only the annotations that Domicile reads.
fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Option<BTreeMap<String, String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of annotations")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = None;
            while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                if [SELECTED_NODE, CLASS_ANNOTATION].contains(&key.as_ref()) || DEFAULT_CLASS.contains(&key.as_ref()) {
                    kept.get_or_insert_with(BTreeMap::new).insert(key.into_owned(), map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_option(Few)
}

/// A list that may be absent or null, which is the same.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Of the conditions of an object, whether it is ready.
pub fn is_ready<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct Condition<'a> {
        #[serde(rename = "type", borrow, default)]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        status: Cow<'a, str>,
    }
    let conditions: Vec<Condition<'_>> = list(deserializer)?;
    Ok(conditions.iter().any(|one| one.kind == "Ready" && one.status == "True"))
}

/// A map that may be absent or null, which is the same.
pub fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a field is there at all; what stands in it does not matter.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}
