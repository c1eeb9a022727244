//! The arithmetic of an append-only Merkle log (RFC 6962 §2.1): hashes, roots, proofs of inclusion and of consistency,
//! and the tree head that is signed (§3.5). Where the hashes are kept is [`Nodes`]'s.

use chrono::{DateTime, Utc};
use p256::ecdsa::signature::Verifier;
use sha2::{Digest, Sha256};

use crate::ProofError;
use crate::jose::{SigningKey, VerifyingKey};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The hash of an entry (§2.1).
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of two hashes side by side.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without entries.
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// Hashes of whole subtrees: `level` 0 are the entries, and `(level, index)` stands over the `2^level` entries from
/// `index * 2^level` on.
pub trait Nodes {
    /// Why a hash can't be had.
    type Error: From<ProofError>;
    /// One hash.
    ///
    /// # Errors
    /// When it is not there.
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The hashes that become whole when entry number `index` with this hash comes: itself, and each parent that it
/// completes.
///
/// # Errors
/// When a hash of before can't be had.
pub fn appended<N: Nodes>(nodes: &mut N, index: u64, entry: Hash) -> Result<Vec<(u8, u64, Hash)>, N::Error> {
    let (mut level, mut place, mut hash) = (0_u8, index, entry);
    let mut made = vec![(level, place, hash)];
    while place % 2 == 1 {
        hash = node(&nodes.node(level, place - 1)?, &hash);
        level += 1;
        place /= 2;
        made.push((level, place, hash));
    }
    Ok(made)
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The root over the entries `start..start + size`; `start` is a multiple of the next power of two.
fn subtree<N: Nodes>(nodes: &mut N, start: u64, size: u64) -> Result<Hash, N::Error> {
    if size == 0 {
        return Ok(empty());
    }
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        let level = u8::try_from(level).map_err(|_| ProofError::Malformed("size".into()))?;
        return nodes.node(level, start >> level);
    }
    let left = split(size);
    Ok(node(&subtree(nodes, start, left)?, &subtree(nodes, start + left, size - left)?))
}

/// The root of the first `size` entries.
///
/// # Errors
/// When a hash can't be had.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    subtree(nodes, 0, size)
}

/// The proof that entry `index` is among the first `size` (§2.1.1).
///
/// # Errors
/// `Refused` when it is not; or a hash can't be had.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    if index >= size {
        return Err(ProofError::Refused("not in a tree of this size").into());
    }
    let (mut start, mut width) = (0, size);
    let mut down = Vec::new();
    while width > 1 {
        let left = split(width);
        if index - start < left {
            down.push(subtree(nodes, start + left, width - left)?);
            width = left;
        } else {
            down.push(subtree(nodes, start, left)?);
            start += left;
            width -= left;
        }
    }
    down.reverse();
    Ok(down)
}

/// The proof that the first `size` entries begin with the first `before` (§2.1.2).
///
/// # Errors
/// `Refused` when `before` is 0 or larger than `size`; or a hash can't be had.
pub fn consistency<N: Nodes>(nodes: &mut N, before: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    if before == 0 || before > size {
        return Err(ProofError::Refused("no such sizes").into());
    }
    let (mut start, mut width, mut old, mut known) = (0, size, before, true);
    let mut down = Vec::new();
    while old < width {
        let left = split(width);
        if old <= left {
            down.push(subtree(nodes, start + left, width - left)?);
            width = left;
        } else {
            down.push(subtree(nodes, start, left)?);
            start += left;
            width -= left;
            old -= left;
            known = false;
        }
    }
    if !known {
        down.push(subtree(nodes, start, width)?);
    }
    down.reverse();
    Ok(down)
}

/// Whether an entry's hash at `index` is in the tree of `size` entries under `root` (RFC 9162 §2.1.3.2).
pub fn includes(root: &Hash, size: u64, index: u64, entry: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *entry);
    for next in proof {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            hash = node(next, &hash);
            while place % 2 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, next);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether the tree of `size` entries under `root` begins with the one of `before` under `old` (RFC 9162 §2.1.4.2).
pub fn consistent(old: &Hash, before: u64, root: &Hash, size: u64, proof: &[Hash]) -> bool {
    if before == size {
        return proof.is_empty() && old == root;
    }
    if before == 0 || before > size {
        return false;
    }
    let mut rest = proof.iter();
    let first = if before.is_power_of_two() { Some(old) } else { rest.next() };
    let Some(first) = first else { return false };
    let (mut place, mut last) = (before - 1, size - 1);
    while place % 2 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut was, mut is) = (*first, *first);
    for next in rest {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            (was, is) = (node(next, &was), node(next, &is));
            while place % 2 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            is = node(&is, next);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && was == *old && is == *root
}

/// A tree head and the log's signature over it (§3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Entries.
    pub size: u64,
    /// When it was signed, to the millisecond.
    pub at: DateTime<Utc>,
    /// The root over all entries.
    pub root: Hash,
    /// ECDSA over P-256 with SHA-256, in DER.
    pub signature: Vec<u8>,
}

/// `TreeHeadSignature` (§3.5): version v1, signature type tree_hash, timestamp, size, root.
fn signed_bytes(size: u64, at: DateTime<Utc>, root: &Hash) -> Vec<u8> {
    let mut bytes = vec![0, 1];
    bytes.extend(at.timestamp_millis().to_be_bytes());
    bytes.extend(size.to_be_bytes());
    bytes.extend(root);
    bytes
}

impl SignedHead {
    /// Signs a head.
    pub fn sign(key: &SigningKey, size: u64, at: DateTime<Utc>, root: Hash) -> Self {
        let at = DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at);
        Self { size, at, root, signature: key.sign_der(&signed_bytes(size, at, &root)) }
    }

    /// Whether one of these keys signed it.
    pub fn holds<'a>(&self, keys: impl IntoIterator<Item = &'a VerifyingKey>) -> bool {
        let Ok(signature) = p256::ecdsa::Signature::from_der(&self.signature) else { return false };
        let message = signed_bytes(self.size, self.at, &self.root);
        keys.into_iter().any(|key| key.raw().verify(&message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct All(Vec<Vec<Hash>>);

    impl Nodes for All {
        type Error = ProofError;
        fn node(&mut self, level: u8, index: u64) -> Result<Hash, ProofError> {
            let known = self.0.get(usize::from(level)).and_then(|row| row.get(index as usize));
            known.copied().ok_or(ProofError::Refused("missing"))
        }
    }

    fn tree(entries: &[Vec<u8>]) -> All {
        let mut all = All(Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            for (level, place, hash) in appended(&mut all, index as u64, leaf(entry)).unwrap() {
                let level = usize::from(level);
                if all.0.len() <= level {
                    all.0.push(Vec::new());
                }
                assert_eq!(all.0[level].len() as u64, place);
                all.0[level].push(hash);
            }
        }
        all
    }

    /// The definition of §2.1, word for word.
    fn slow(entries: &[Vec<u8>]) -> Hash {
        match entries {
            [] => empty(),
            [one] => leaf(one),
            _ => {
                let left = split(entries.len() as u64) as usize;
                node(&slow(&entries[..left]), &slow(&entries[left..]))
            }
        }
    }

    /// The eight entries of the published test vectors of Certificate Transparency, and the root over all of them.
    #[test]
    fn the_published_roots() {
        let entries: Vec<Vec<u8>> =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
                .into_iter()
                .map(|text| hex::decode(text).unwrap())
                .collect();
        let mut all = tree(&entries);
        let root = |all: &mut All, size| hex::encode(super::root(all, size).unwrap());
        assert_eq!(root(&mut all, 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(root(&mut all, 1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(root(&mut all, 8), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    proptest! {
        #[test]
        fn every_proof_holds_and_no_other(size in 1_usize..70, before in 1_usize..70, index in 0_usize..70, wrong in 0_usize..8) {
            let entries: Vec<Vec<u8>> = (0..size).map(|each| vec![each as u8; each % 5]).collect();
            let mut all = tree(&entries);
            let whole = root(&mut all, size as u64).unwrap();
            prop_assert_eq!(whole, slow(&entries));
            if index < size {
                let mut proof = inclusion(&mut all, index as u64, size as u64).unwrap();
                let entry = leaf(&entries[index]);
                prop_assert!(includes(&whole, size as u64, index as u64, &entry, &proof));
                prop_assert!(!includes(&whole, size as u64, (index + 1) as u64 % size as u64, &entry, &proof) || size == 1);
                if let Some(hash) = proof.get_mut(wrong) {
                    hash[0] ^= 1;
                    prop_assert!(!includes(&whole, size as u64, index as u64, &entry, &proof));
                }
            }
            if before <= size {
                let old = slow(&entries[..before]);
                let mut proof = consistency(&mut all, before as u64, size as u64).unwrap();
                prop_assert!(consistent(&old, before as u64, &whole, size as u64, &proof));
                if before < size {
                    prop_assert!(!consistent(&whole, before as u64, &whole, size as u64, &proof));
                }
                if let Some(hash) = proof.get_mut(wrong) {
                    hash[0] ^= 1;
                    prop_assert!(!consistent(&old, before as u64, &whole, size as u64, &proof));
                }
            }
        }
    }
}
