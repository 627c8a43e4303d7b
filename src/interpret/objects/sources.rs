//! What serves a volume, in the terms that pods and persistent volumes share.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::decode::{list, map};

/// Whatever serves a volume from somewhere else than the node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSources {
    /// A CSI driver.
    pub csi: Option<CsiSource>,
    /// NFS.
    pub nfs: Option<NfsSource>,
    /// iSCSI.
    pub iscsi: Option<IscsiSource>,
    /// A Ceph file system.
    pub cephfs: Option<MonitoredSource>,
    /// A Ceph block device.
    pub rbd: Option<MonitoredSource>,
    /// An Azure file share.
    pub azure_file: Option<ShareSource>,
    /// GlusterFS.
    pub glusterfs: Option<GlusterSource>,
    /// A driver on the node.
    pub flex_volume: Option<FlexSource>,
}

/// A CSI driver and what it is told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiSource {
    /// Its name.
    #[serde(default)]
    pub driver: String,
    /// The driver's name for the volume; volumes of pods have none.
    #[serde(default)]
    pub volume_handle: String,
    /// What the driver is told of it.
    #[serde(default, deserialize_with = "map")]
    pub volume_attributes: BTreeMap<String, String>,
}

/// An NFS export.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NfsSource {
    /// Host or address.
    #[serde(default)]
    pub server: String,
}

/// An iSCSI target.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IscsiSource {
    /// Address and port.
    #[serde(default)]
    pub target_portal: String,
    /// Further ones.
    #[serde(default, deserialize_with = "list")]
    pub portals: Vec<String>,
}

/// A cluster that is reached by its monitors.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct MonitoredSource {
    /// Addresses and ports.
    #[serde(default, deserialize_with = "list")]
    pub monitors: Vec<String>,
}

/// A share in an account that a secret names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareSource {
    /// The share.
    #[serde(default)]
    pub share_name: String,
}

/// A cluster that is reached by an `Endpoints` object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct GlusterSource {
    /// The name of that object.
    #[serde(default)]
    pub endpoints: String,
}

/// A driver on the node.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct FlexSource {
    /// Its name.
    #[serde(default)]
    pub driver: String,
    /// What it is told.
    #[serde(default, deserialize_with = "map")]
    pub options: BTreeMap<String, String>,
}
