//! Volumes of a pod.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::decode::list;
use super::{Claim, ClaimSpec, ConfigMapName, SecretName, VolumeSources};

/// A volume of a pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodVolume {
    /// A claim.
    pub persistent_volume_claim: Option<PodClaim>,
    /// A secret.
    pub secret: Option<PodSecret>,
    /// A config map.
    pub config_map: Option<ConfigMapName>,
    /// Several sources.
    pub projected: Option<Projected>,
    /// What hardly any volume has: boxed, so that the others stay small.
    pub inline: Option<Box<InlineVolume>>,
}

impl PodVolume {
    fn described(&mut self) -> &mut InlineVolume {
        self.inline.get_or_insert_default()
    }
}

/// A volume that a pod describes itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InlineVolume {
    /// A claim that is made for the pod and goes with it.
    pub ephemeral: Option<EphemeralVolume>,
    /// Whether it is a directory of the node.
    pub is_host_path: bool,
    /// What serves it.
    pub sources: VolumeSources,
}

/// A claim that is made for a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EphemeralVolume {
    /// The claim.
    pub volume_claim_template: Option<ClaimTemplate>,
}

/// The claim that is made for a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Claim")]
pub struct ClaimTemplate {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its specification.
    pub spec: ClaimSpec,
}

impl From<Claim> for ClaimTemplate {
    fn from(Claim { metadata, spec }: Claim) -> Self {
        Self { metadata, spec }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum VolumeField {
    PersistentVolumeClaim,
    Secret,
    ConfigMap,
    Projected,
    Ephemeral,
    HostPath,
    Csi,
    Nfs,
    Iscsi,
    Cephfs,
    Rbd,
    AzureFile,
    Glusterfs,
    FlexVolume,
    #[serde(other)]
    Other,
}

/// By hand, since a flattened field would first copy every volume of every pod.
impl<'de> Deserialize<'de> for PodVolume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = PodVolume;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a volume of a pod")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PodVolume, A::Error> {
                let mut volume = PodVolume::default();
                while let Some(field) = map.next_key::<VolumeField>()? {
                    match field {
                        VolumeField::PersistentVolumeClaim => volume.persistent_volume_claim = map.next_value()?,
                        VolumeField::Secret => volume.secret = map.next_value()?,
                        VolumeField::ConfigMap => volume.config_map = map.next_value()?,
                        VolumeField::Projected => volume.projected = map.next_value()?,
                        VolumeField::Ephemeral => volume.described().ephemeral = map.next_value()?,
                        VolumeField::HostPath => {
                            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                                volume.described().is_host_path = true;
                            }
                        }
                        VolumeField::Csi => volume.described().sources.csi = map.next_value()?,
                        VolumeField::Nfs => volume.described().sources.nfs = map.next_value()?,
                        VolumeField::Iscsi => volume.described().sources.iscsi = map.next_value()?,
                        VolumeField::Cephfs => volume.described().sources.cephfs = map.next_value()?,
                        VolumeField::Rbd => volume.described().sources.rbd = map.next_value()?,
                        VolumeField::AzureFile => volume.described().sources.azure_file = map.next_value()?,
                        VolumeField::Glusterfs => volume.described().sources.glusterfs = map.next_value()?,
                        VolumeField::FlexVolume => volume.described().sources.flex_volume = map.next_value()?,
                        VolumeField::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(volume)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A mounted claim.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodClaim {
    /// Its name.
    #[serde(default)]
    pub claim_name: String,
}

/// A mounted secret.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSecret {
    /// Its name.
    pub secret_name: Option<String>,
}

/// A volume of several sources.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Projected {
    /// The sources.
    #[serde(default, deserialize_with = "list")]
    pub sources: Vec<ProjectedSource>,
}

/// One source of a projected volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedSource {
    /// A secret.
    pub secret: Option<SecretName>,
    /// A config map.
    pub config_map: Option<ConfigMapName>,
}
