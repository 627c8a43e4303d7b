//! The keys of an installation: one that signs checkpoints, and one by which users are told apart without being named (no
//! client).

use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::digest::{Digest, hexadecimal};
use super::record::{Line, Record, Seal};

/// How a public key of Ed25519 begins in DER: the algorithm and the length of what follows.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Of the HMAC that stands for a user; more would only make lines longer.
const USER_BYTES: usize = 16;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random numbers, or the library refuses them.
    #[error("failed to make a key")]
    Make,
    /// Not a private key of Ed25519.
    #[error("failed to read the signing key")]
    Private,
    /// Not a public key of Ed25519.
    #[error("not a public key of Ed25519 in PEM")]
    Public,
}

/// The keys that a Secret holds.
pub struct Keys {
    pair: Ed25519KeyPair,
    private: Vec<u8>,
    users: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("key", &self.public().id()).finish_non_exhaustive()
    }
}

impl Keys {
    /// New ones.
    ///
    /// # Errors
    ///
    /// When none can be made.
    pub fn make() -> Result<Self, KeyError> {
        let mut users = vec![0; 32];
        rand::fill(&mut users).map_err(|_| KeyError::Make)?;
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Make)?;
        let private = pair.to_pkcs8v1().map_err(|_| KeyError::Make)?.as_ref().to_vec();
        Ok(Self { pair, private, users })
    }

    /// As they were written.
    ///
    /// # Errors
    ///
    /// When that is no private key.
    pub fn read(private: &str, users: &[u8]) -> Result<Self, KeyError> {
        let private = from_pem("PRIVATE KEY", private).ok_or(KeyError::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8(&private).map_err(|_| KeyError::Private)?;
        Ok(Self { pair, private, users: users.to_vec() })
    }

    /// The private key, in PEM.
    pub fn private(&self) -> String {
        to_pem("PRIVATE KEY", &self.private)
    }

    /// The key of the users' hashes.
    pub fn users(&self) -> &[u8] {
        &self.users
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().to_vec())
    }

    /// What stands for a user. Without the key nobody can try names.
    pub fn hash(&self, user: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.users), user.as_bytes());
        hexadecimal(&tag.as_ref()[..USER_BYTES])
    }

    /// Signs a line that seals a chain.
    pub fn seal(&self, line: &Line) -> Seal {
        let signature = self.pair.sign(line.sealed().as_bytes());
        Seal { key: Some(self.public().id()), signature: Some(BASE64.encode(signature.as_ref())) }
    }
}

/// What signatures are verified by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads a key in PEM.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn read(pem: &str) -> Result<Self, KeyError> {
        let der = from_pem("PUBLIC KEY", pem).ok_or(KeyError::Public)?;
        let key = der.strip_prefix(&SPKI).filter(|key| key.len() == 32).ok_or(KeyError::Public)?;
        Ok(Self(key.to_vec()))
    }

    /// The key in PEM.
    pub fn pem(&self) -> String {
        to_pem("PUBLIC KEY", &[&SPKI[..], &self.0].concat())
    }

    /// The key in base64, without what surrounds it.
    pub fn base64(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// A short name for it.
    pub fn id(&self) -> String {
        Digest::of(&self.0).short()
    }

    /// Whether this key signed a line that seals a chain.
    pub fn vouches_for(&self, line: &Line) -> bool {
        let (Record::Checkpoint(seal) | Record::End(seal)) = &line.record else { return false };
        let signature = seal.signature.as_ref().and_then(|text| BASE64.decode(text).ok());
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        signature.is_some_and(|signature| key.verify(line.sealed().as_bytes(), &signature).is_ok())
    }
}

fn to_pem(label: &str, der: &[u8]) -> String {
    // Keys of Ed25519 fit into one line.
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}

fn from_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|one| !one.is_whitespace()).collect();
    BASE64.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let keys = Keys::make().unwrap();
        let again = Keys::read(&keys.private(), keys.users()).unwrap();
        assert_eq!(again.public(), keys.public());
        assert_eq!(PublicKey::read(&keys.public().pem()).unwrap(), keys.public());
        assert_eq!((again.hash("alice"), keys.hash("alice") == keys.hash("bob")), (keys.hash("alice"), false));
        assert!(Keys::read(&keys.public().pem(), b"").is_err());
        assert!(PublicKey::read(&keys.private()).is_err());
    }

    #[test]
    fn two_installations_call_a_user_differently() {
        assert_ne!(Keys::make().unwrap().hash("alice"), Keys::make().unwrap().hash("alice"));
    }
}
