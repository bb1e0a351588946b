//! Merkle trees the plain way: every level of the tree, every time.

use bitcoin::hashes::{Hash, sha256d};

/// The siblings from the leaf at `pos` up to the root, and the root. An odd level repeats its last node.
///
/// # Panics
/// When there is no leaf at `pos`.
#[must_use]
pub fn merkle_branch(leaves: &[sha256d::Hash], pos: usize) -> (Vec<sha256d::Hash>, sha256d::Hash) {
    assert!(pos < leaves.len(), "no leaf {pos} among {}", leaves.len());
    let (mut level, mut pos, mut branch) = (leaves.to_vec(), pos, Vec::new());
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.extend(level.last().copied());
        }
        branch.push(level[pos ^ 1]);
        pos >>= 1;
        level = level
            .chunks(2)
            .map(|pair| {
                sha256d::Hash::hash(&[pair[0].to_byte_array(), pair[1].to_byte_array()].concat())
            })
            .collect();
    }
    (branch, level[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Block 100000 of the main chain, as in the protocol notes.
    #[test]
    fn known_vectors() {
        let leaves: Vec<sha256d::Hash> = [
            "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
            "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
            "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
            "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let texts = |branch: Vec<sha256d::Hash>| -> Vec<String> {
            branch.iter().map(ToString::to_string).collect()
        };
        let (branch, root) = merkle_branch(&leaves, 0);
        assert_eq!(
            root.to_string(),
            "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766"
        );
        let upper = "8e30899078ca1813be036a073bbf80b86cdddde1c96e9e9c99e9e3782df4ae49";
        assert_eq!(texts(branch), [leaves[1].to_string(), upper.to_owned()]);

        let (branch, root) = merkle_branch(&leaves[..3], 2);
        assert_eq!(
            root.to_string(),
            "fa435470825de273081dcc706b25514c936fa6dc80ab965ce6970d68ddd0b553"
        );
        let upper = "ccdafb73d8dcd0173d5d5c3c9a0770d0b3953db889dab99ef05b1907518cb815";
        assert_eq!(texts(branch), [leaves[2].to_string(), upper.to_owned()]);

        assert_eq!(merkle_branch(&leaves[..1], 0), (vec![], leaves[0]));
    }
}
