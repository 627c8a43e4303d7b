//! An admission review as it comes from the API server, decoded once.
//!
//! Pods are by far the most frequent and the largest objects, and the API server names the kind before the object: a pod is
//! decoded in the same pass as the review around it. Everything else is kept as JSON until it is known what it is.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::interpret::Body;
use crate::interpret::access::User;
use crate::interpret::objects::Pod;

/// The request of a review.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Id of the review, which the answer repeats.
    pub uid: Cow<'a, str>,
    /// What the object is.
    pub kind: GroupKind<'a>,
    /// Where it stands; empty for cluster-scoped objects.
    pub namespace: Cow<'a, str>,
    /// Its name; empty while the server still has to make one up.
    pub name: Cow<'a, str>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: Cow<'a, str>,
    /// The part of the object that is asked about; empty for the object itself.
    pub sub_resource: Cow<'a, str>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// Who asks; without groups where nobody's answer depends on them.
    pub user: UserInfo<'a>,
    /// The object.
    pub object: Option<Content<'a>>,
    /// What it replaces.
    pub old_object: Option<Content<'a>>,
}

/// Who asks: the name, and for connections the groups. Never shown.
#[derive(Default)]
pub struct UserInfo<'a> {
    name: Cow<'a, str>,
    groups: Vec<Cow<'a, str>>,
}

impl UserInfo<'_> {
    /// The same, as it is judged.
    pub fn as_user(&self) -> User<'_> {
        User { name: &self.name, groups: &self.groups }
    }
}

impl fmt::Debug for UserInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserInfo")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for UserInfo<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            username: Option<Text<'a>>,
            #[serde(borrow)]
            groups: Option<Vec<Text<'a>>>,
        }
        let Wire { username, groups } = Option::<Wire<'de>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self {
            name: username.map_or(Cow::Borrowed(""), |name| name.0),
            groups: groups.into_iter().flatten().map(|group| group.0).collect(),
        })
    }
}

/// The name of who asks.
#[derive(Deserialize)]
struct UserName<'a> {
    #[serde(borrow)]
    username: Option<Text<'a>>,
}

/// What an object is.
#[derive(Debug, Default, Deserialize)]
pub struct GroupKind<'a> {
    /// Its API group; empty for the core group.
    #[serde(borrow, default)]
    pub group: Cow<'a, str>,
    /// Its version.
    #[serde(borrow, default)]
    pub version: Cow<'a, str>,
    /// Its kind.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
}

impl fmt::Display for GroupKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, version, kind } = self;
        let slash = if group.is_empty() { "" } else { "/" };
        write!(f, "{group}{slash}{version} {kind}")
    }
}

impl GroupKind<'_> {
    /// Whether it is a pod.
    pub fn is_pod(&self) -> bool {
        self.group.is_empty() && self.kind == "Pod"
    }
}

/// An object in a review.
#[derive(Debug)]
pub enum Content<'a> {
    /// A pod.
    Pod(Box<Pod>),
    /// Anything else, as JSON.
    Raw(&'a RawValue),
}

impl Content<'_> {
    /// The same, as it is judged.
    pub fn as_body(&self) -> Body<'_> {
        match self {
            Self::Pod(pod) => Body::Pod(pod),
            Self::Raw(json) => Body::Json(json.get()),
        }
    }
}

impl<'a> Asked<'a> {
    /// The operation, as one of a fixed few words.
    pub fn operation_name(&self) -> &'static str {
        const NAMES: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];
        NAMES.into_iter().find(|name| *name == self.operation).unwrap_or("other")
    }

    /// Reads the request of a review.
    ///
    /// # Errors
    ///
    /// When `body` is not an admission review with a request. What is wrong inside the object is no error here.
    pub fn read(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Review<'a, const PODS: bool> {
            #[serde(borrow)]
            request: Reader<'a, PODS>,
        }
        // Known to be text as a whole, it need not be looked at again string by string.
        let body = std::str::from_utf8(body).map_err(serde_json::Error::custom)?;
        // A pod that cannot be decoded is looked at again as JSON, so that the answer can name what is wrong with it.
        let ahead: Result<Review<'a, true>, _> = serde_json::from_str(body);
        match ahead {
            Ok(review) => Ok(review.request.0),
            Err(_) => Ok(serde_json::from_str::<Review<'a, false>>(body)?.request.0),
        }
    }
}

/// Decodes pods ahead, or nothing.
struct Reader<'a, const PODS: bool>(Asked<'a>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Uid,
    Kind,
    Namespace,
    Name,
    Operation,
    SubResource,
    DryRun,
    UserInfo,
    Object,
    OldObject,
    #[serde(other)]
    Other,
}

/// Text that borrows from the review where it can.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a, const PODS: bool> Deserialize<'de> for Reader<'a, PODS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Request<const PODS: bool>;
        impl<'de, const PODS: bool> Visitor<'de> for Request<PODS> {
            type Value = Asked<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the request of an admission review")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut uid, mut kind, mut operation) = (None, None::<GroupKind<'de>>, None);
                let (mut namespace, mut name, mut sub_resource) = (None, None, None);
                let (mut dry_run, mut user) = (None, None);
                let (mut object, mut old_object) = (None, None);
                while let Some(field) = map.next_key::<Field>()? {
                    match field {
                        Field::Uid => uid = Some(map.next_value::<Text<'de>>()?.0),
                        Field::Kind => kind = Some(map.next_value()?),
                        Field::Operation => operation = Some(map.next_value::<Text<'de>>()?.0),
                        Field::Namespace => namespace = map.next_value::<Option<Text<'de>>>()?,
                        Field::Name => name = map.next_value::<Option<Text<'de>>>()?,
                        Field::SubResource => sub_resource = map.next_value::<Option<Text<'de>>>()?,
                        Field::DryRun => dry_run = map.next_value::<Option<bool>>()?,
                        // The groups of whoever creates something decide nothing; the operation usually comes first.
                        Field::UserInfo if operation.as_ref().is_none_or(|one| one == "CONNECT") => {
                            user = Some(map.next_value::<UserInfo<'de>>()?);
                        }
                        Field::UserInfo => {
                            let name = map.next_value::<Option<UserName<'de>>>()?.and_then(|user| user.username);
                            user = name.map(|name| UserInfo { name: name.0, groups: Vec::new() });
                        }
                        Field::Object | Field::OldObject => {
                            let content = if PODS && kind.as_ref().is_some_and(GroupKind::is_pod) {
                                map.next_value::<Option<Box<Pod>>>()?.map(Content::Pod)
                            } else {
                                map.next_value::<Option<&'de RawValue>>()?.map(Content::Raw)
                            };
                            if matches!(field, Field::Object) { object = content } else { old_object = content }
                        }
                        Field::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let text = |text: Option<Text<'de>>| text.map_or(Cow::Borrowed(""), |text| text.0);
                Ok(Asked {
                    uid: uid.ok_or_else(|| A::Error::missing_field("uid"))?,
                    kind: kind.ok_or_else(|| A::Error::missing_field("kind"))?,
                    namespace: text(namespace),
                    name: text(name),
                    operation: operation.ok_or_else(|| A::Error::missing_field("operation"))?,
                    sub_resource: text(sub_resource),
                    dry_run: dry_run.unwrap_or_default(),
                    user: user.unwrap_or_default(),
                    object,
                    old_object,
                })
            }
        }
        deserializer.deserialize_map(Request::<PODS>).map(Self)
    }
}
