//! CMS SignedData (RFC 5652) as CAdES wants it in a PDF (ETSI EN 319 122-1, 319 142-1): one signer, SHA-256, the signer's
//! certificate bound by signing-certificate-v2 (RFC 5035), no signing-time; a time-stamp as an unsigned attribute.
//!
//! What is read is read strictly: whatever the signature does not cover must have the one form that is written here
//! ([`Message::is_plain`]), so that no byte can be changed unseen. A time-stamp is covered by its authority's signature and by
//! nothing of ours: it can be taken out of a file, and a later one be put in; that is seen by whoever knows the file's hash.

use ::cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use ::cms::content_info::{CmsVersion, ContentInfo};
use ::cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode, Encode, Sequence, Tag, Tagged};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::DecodePrivateKey;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::{ProofError, path};

/// id-data: content that lies elsewhere, such as in the PDF.
pub const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const TIME_STAMP_TOKEN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// ESSCertIDv2 (RFC 5035 §4); without an algorithm it is SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct CertificateName {
    #[asn1(optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer_and_serial: Option<Any>,
}

#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateName>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

/// Whoever signs: a key in a file now; a module of hardware, or SM2, may come.
pub trait Signer: Send + Sync {
    /// Its certificates, its own first, then up; never empty.
    fn certificates(&self) -> &[Certificate];
    /// How it signs.
    fn algorithm(&self) -> AlgorithmIdentifierOwned;
    /// Signs; the same message need not give the same signature.
    ///
    /// # Errors
    /// When the key can't be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ProofError>;
}

/// A P-256 key in a file: ECDSA with SHA-256, by RFC 6979, so the same message gives the same signature.
pub struct KeyFile {
    key: SigningKey,
    certificates: Vec<Certificate>,
}

impl KeyFile {
    /// From a key (PKCS#8 PEM) and its certificates (PEM, its own first).
    ///
    /// # Errors
    /// `Setup` when one of them can't be used, or they don't belong together.
    pub fn from_pem(key: &str, certificates: &str) -> Result<Self, ProofError> {
        let key = SigningKey::from_pkcs8_pem(key.trim())
            .map_err(|_| ProofError::Setup("not a P-256 key in PKCS#8 PEM".into()))?;
        let certificates = path::certificates(certificates)?;
        let message = b"renzheng";
        let mine = certificates.first().ok_or_else(|| ProofError::Setup("no certificate".into()))?;
        let known = Self { key, certificates: certificates.clone() };
        let made = known.sign(message)?;
        path::signature_holds(mine.tbs_certificate().subject_public_key_info(), &known.algorithm(), message, &made)
            .map_err(|_| ProofError::Setup("the certificate is of another key".into()))?;
        Ok(known)
    }
}

impl Signer for KeyFile {
    fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    fn algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: path::ECDSA_SHA256, parameters: None }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ProofError> {
        // Of the two values that hold, the lower one: nobody can put the other in its place unseen.
        let signature: p256::ecdsa::Signature = self.key.sign(message);
        Ok(signature.normalize_s().to_der().as_bytes().to_vec())
    }
}

const fn sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: SHA256, parameters: None }
}

fn attribute(oid: ObjectIdentifier, value: &impl Encode) -> Result<Attribute, ProofError> {
    let value = Any::from_der(&value.to_der()?)?;
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Something that lies elsewhere, by its SHA-256.
    Detached([u8; 32]),
    /// Something that the message itself holds, with its type.
    Held(ObjectIdentifier, &'a [u8]),
}

/// A signature: its whole message, readable, and able to take a time-stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    data: SignedData,
    info: SignerInfo,
}

/// Signs.
///
/// # Errors
/// When the signer can't, or something can't be encoded.
pub fn sign(content: Content<'_>, signer: &dyn Signer) -> Result<Message, ProofError> {
    let mine = signer.certificates().first().ok_or_else(|| ProofError::Setup("no certificate".into()))?;
    let (kind, digest, held) = match content {
        Content::Detached(digest) => (DATA, digest, None),
        Content::Held(kind, bytes) => {
            let held = Any::from_der(&OctetString::new(bytes)?.to_der()?)?;
            (kind, Sha256::digest(bytes).into(), Some(held))
        }
    };
    let name = CertificateName {
        algorithm: None,
        hash: OctetString::new(path::fingerprint(mine)?.to_vec())?,
        issuer_and_serial: None,
    };
    let signed = SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, &kind)?,
        attribute(MESSAGE_DIGEST, &OctetString::new(digest.to_vec())?)?,
        attribute(SIGNING_CERTIFICATE_V2, &SigningCertificate { certificates: vec![name], policies: None })?,
    ])?;
    let signature = signer.sign(&signed.to_der()?)?;
    let tbs = mine.tbs_certificate();
    let info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: tbs.issuer().clone(),
            serial_number: tbs.serial_number().clone(),
        }),
        digest_alg: sha256(),
        signed_attrs: Some(signed),
        signature_algorithm: signer.algorithm(),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let certificates: Vec<_> = signer.certificates().iter().cloned().map(CertificateChoices::Certificate).collect();
    let data = SignedData {
        version: if kind == DATA { CmsVersion::V1 } else { CmsVersion::V3 },
        digest_algorithms: SetOfVec::try_from(vec![sha256()])?,
        encap_content_info: EncapsulatedContentInfo { econtent_type: kind, econtent: held },
        certificates: Some(CertificateSet::try_from(certificates)?),
        crls: None,
        signer_infos: SignerInfos::try_from(vec![info.clone()])?,
    };
    Ok(Message { data, info })
}

impl Message {
    /// Reads a message; one that is not written in the one form of DER is refused.
    ///
    /// # Errors
    /// `Malformed` when it is no SignedData of one signer.
    pub fn parse(der: &[u8]) -> Result<Self, ProofError> {
        let message = Self::parse_any(der)?;
        if message.to_der()? == der { Ok(message) } else { Err(ProofError::Malformed("not DER".into())) }
    }

    /// Reads a message as others may have written it.
    ///
    /// # Errors
    /// `Malformed` when it is no SignedData of one signer.
    pub fn parse_any(der: &[u8]) -> Result<Self, ProofError> {
        let outer = ContentInfo::from_der(der)?;
        if outer.content_type != SIGNED_DATA {
            return Err(ProofError::Malformed("not SignedData".into()));
        }
        let data: SignedData = outer.content.decode_as()?;
        let certificates = data.certificates.as_ref().map_or(&[][..], |set| set.0.as_slice());
        if certificates.iter().enumerate().any(|(at, one)| certificates.iter().skip(at + 1).any(|other| other == one)) {
            return Err(ProofError::Malformed("a certificate twice".into()));
        }
        match data.signer_infos.0.as_slice() {
            [info] => Ok(Self { info: info.clone(), data }),
            _ => Err(ProofError::Malformed("not one signer".into())),
        }
    }

    /// The message as it is handed on.
    ///
    /// # Errors
    /// When it can't be encoded.
    pub fn to_der(&self) -> Result<Vec<u8>, ProofError> {
        let content = Any::from_der(&self.data.to_der()?)?;
        Ok(ContentInfo { content_type: SIGNED_DATA, content }.to_der()?)
    }

    /// Whether it is in the one form in which [`sign`] writes, where others have a choice: of two signatures that hold the
    /// lower one, no parameters of the digest.
    pub fn is_plain(&self) -> bool {
        let lower = self.info.signature_algorithm.oid != path::ECDSA_SHA256
            || p256::ecdsa::Signature::from_der(self.signature())
                .is_ok_and(|signature| signature.normalize_s() == signature);
        lower && self.info.digest_alg == sha256()
    }

    /// The signature alone: what a time-stamp is about.
    pub fn signature(&self) -> &[u8] {
        self.info.signature.as_bytes()
    }

    /// The same with a time-stamp token (a ContentInfo in DER).
    ///
    /// # Errors
    /// When the token can't be read.
    pub fn with_time_stamp(mut self, token: &[u8]) -> Result<Self, ProofError> {
        // As others write it, but kept in the one form of DER.
        let token = Self::parse_any(token)?.to_der()?;
        let value = Any::from_der(&token)?;
        let attribute = Attribute { oid: TIME_STAMP_TOKEN, values: SetOfVec::try_from(vec![value])? };
        self.info.unsigned_attrs = Some(SetOfVec::try_from(vec![attribute])?);
        self.data.signer_infos = SignerInfos::try_from(vec![self.info.clone()])?;
        Ok(self)
    }

    /// The same without certificates, for whoever has them already.
    #[must_use]
    pub fn without_certificates(mut self) -> Self {
        self.data.certificates = None;
        self
    }

    /// The time-stamp token, if there is one and nothing else beside it.
    ///
    /// # Errors
    /// `Refused` when there is something that nobody signed.
    pub fn time_stamp(&self) -> Result<Option<Vec<u8>>, ProofError> {
        let Some(attributes) = &self.info.unsigned_attrs else { return Ok(None) };
        match attributes.as_slice() {
            [one] if one.oid == TIME_STAMP_TOKEN => match one.values.as_slice() {
                [token] => Ok(Some(token.to_der()?)),
                _ => Err(ProofError::Refused("unsigned attributes")),
            },
            _ => Err(ProofError::Refused("unsigned attributes")),
        }
    }

    fn certificates(&self) -> Result<Vec<Certificate>, ProofError> {
        let set = self.data.certificates.as_ref().map_or(&[][..], |set| set.0.as_slice());
        let plain = |choice: &CertificateChoices| match choice {
            CertificateChoices::Certificate(certificate) => Ok(certificate.clone()),
            CertificateChoices::Other(_) => Err(ProofError::Refused("stray certificate")),
        };
        set.iter().map(plain).collect()
    }

    /// The certificate of whoever signed, and the others that came with it.
    ///
    /// # Errors
    /// `Refused` when the signer's is not there.
    pub fn signer(&self) -> Result<(Certificate, Vec<Certificate>), ProofError> {
        let SignerIdentifier::IssuerAndSerialNumber(name) = &self.info.sid else {
            return Err(ProofError::Refused("signer's name"));
        };
        let mut others = self.certificates()?;
        let place = others.iter().position(|certificate| {
            let tbs = certificate.tbs_certificate();
            *tbs.issuer() == name.issuer && *tbs.serial_number() == name.serial_number
        });
        let signer = others.remove(place.ok_or(ProofError::Refused("signer's certificate"))?);
        Ok((signer, others))
    }

    /// The content that the message itself holds.
    ///
    /// # Errors
    /// `Refused` when it holds none, or one of another type.
    pub fn held(&self, kind: ObjectIdentifier) -> Result<Vec<u8>, ProofError> {
        let content = &self.data.encap_content_info;
        match &content.econtent {
            Some(held) if content.econtent_type == kind && held.tag() == Tag::OctetString => Ok(held.value().to_vec()),
            _ => Err(ProofError::Refused("content")),
        }
    }

    fn signed(&self, oid: ObjectIdentifier) -> Result<&Any, ProofError> {
        let attributes = self.info.signed_attrs.as_ref().ok_or(ProofError::Refused("signed attributes"))?;
        let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
        match (found.next().map(|attribute| attribute.values.as_slice()), found.next()) {
            (Some([value]), None) => Ok(value),
            _ => Err(ProofError::Refused("signed attributes")),
        }
    }

    /// Whether the signature holds over this content, and by whom. Whether they are trusted is [`path::trusted`]'s.
    ///
    /// # Errors
    /// `Refused`, saying what does not hold.
    pub fn verify(&self, content: Content<'_>) -> Result<Certificate, ProofError> {
        let (kind, digest): (_, [u8; 32]) = match content {
            Content::Detached(digest) => (DATA, digest),
            Content::Held(kind, bytes) => (kind, Sha256::digest(bytes).into()),
        };
        let expected = if kind == DATA { CmsVersion::V1 } else { CmsVersion::V3 };
        let detached = matches!(content, Content::Detached(_));
        if self.data.version != expected
            || self.info.version != CmsVersion::V1
            || self.data.crls.is_some()
            || self.data.encap_content_info.econtent_type != kind
            || self.data.encap_content_info.econtent.is_none() != detached
            || self.data.digest_algorithms.as_slice() != [self.info.digest_alg.clone()]
        {
            return Err(ProofError::Refused("shape"));
        }
        let (oid, parameters) = (self.info.digest_alg.oid, &self.info.digest_alg.parameters);
        let plain = parameters.as_ref().is_none_or(|any| any.tag() == Tag::Null && any.value().is_empty());
        if oid != SHA256 || !plain {
            return Err(ProofError::Refused("digest algorithm"));
        }
        if self.signed(CONTENT_TYPE)?.decode_as::<ObjectIdentifier>()? != kind {
            return Err(ProofError::Refused("content type"));
        }
        if self.signed(MESSAGE_DIGEST)?.decode_as::<OctetString>()?.as_bytes() != digest {
            return Err(ProofError::Refused("digest"));
        }
        let (signer, _) = self.signer()?;
        let names: SigningCertificate = self.signed(SIGNING_CERTIFICATE_V2)?.decode_as()?;
        let bound = names.certificates.first().is_some_and(|name| {
            name.algorithm.as_ref().is_none_or(|algorithm| algorithm.oid == SHA256)
                && path::fingerprint(&signer).is_ok_and(|hash| name.hash.as_bytes() == hash)
        });
        if !bound {
            return Err(ProofError::Refused("signing certificate"));
        }
        let attributes = self.info.signed_attrs.as_ref().ok_or(ProofError::Refused("signed attributes"))?;
        path::signature_holds(
            signer.tbs_certificate().subject_public_key_info(),
            &self.info.signature_algorithm,
            &attributes.to_der()?,
            self.info.signature.as_bytes(),
        )?;
        Ok(signer)
    }
}
