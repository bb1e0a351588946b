//! Merkle trees as Bitcoin builds them: an odd node is paired with itself.

use crate::sha256;

/// A node of a tree, in hash order.
pub type Node = [u8; 32];

fn join(left: &Node, right: &Node) -> Node {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    sha256::of_short(&sha256::of_64(&both))
}

/// Replaces a level by the one above it.
fn rise(level: &mut Vec<Node>) {
    let len = level.len().div_ceil(2);
    let mut done = 0;
    // Two nodes of the level above at a time, as long as there are four below.
    while let Some(four) = level.get(2 * done..2 * done + 4) {
        if let [left, right] = four.as_flattened().as_chunks().0 {
            let joined = sha256::twice_of_64([left, right]);
            level[done..done + 2].copy_from_slice(&joined);
        }
        done += 2;
    }
    for i in done..len {
        let left = level[2 * i];
        let right = *level.get(2 * i + 1).unwrap_or(&left);
        level[i] = join(&left, &right);
    }
    level.truncate(len);
}

/// Returns the root over the leaves; `None` without leaves.
#[must_use]
pub fn root(mut leaves: Vec<Node>) -> Option<Node> {
    while leaves.len() > 1 {
        rise(&mut leaves);
    }
    leaves.pop()
}

/// Returns the branch that proves leaf `index`, lowest sibling first, and the root.
///
/// `None` when there is no such leaf.
#[must_use]
pub fn branch(mut leaves: Vec<Node>, mut index: usize) -> Option<(Vec<Node>, Node)> {
    if index >= leaves.len() {
        return None;
    }
    let mut branch = Vec::with_capacity(leaves.len().ilog2() as usize + 1);
    while leaves.len() > 1 {
        let sibling = leaves.get(index ^ 1).unwrap_or(&leaves[index]);
        branch.push(*sibling);
        rise(&mut leaves);
        index /= 2;
    }
    leaves.pop().map(|root| (branch, root))
}

/// Returns the root a branch leads to from leaf `index`: the check a client makes.
#[must_use]
pub fn root_from_branch(leaf: Node, branch: &[Node], mut index: usize) -> Node {
    branch.iter().fold(leaf, |node, sibling| {
        let parent = if index & 1 == 0 { join(&node, sibling) } else { join(sibling, &node) };
        index /= 2;
        parent
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::{Hash as _, sha256d};

    fn leaves(count: u8) -> Vec<Node> {
        (0..count).map(|i| [i; 32]).collect()
    }

    #[test]
    fn root_equals_the_bitcoin_crate() {
        for count in 1..40 {
            let theirs = bitcoin::merkle_tree::calculate_root(
                leaves(count).into_iter().map(sha256d::Hash::from_byte_array),
            );
            assert_eq!(root(leaves(count)), theirs.map(|hash| hash.to_byte_array()), "{count}");
        }
        assert_eq!(root(Vec::new()), None);
    }

    #[test]
    fn every_branch_leads_to_the_root() {
        for count in 1..40_u8 {
            for index in 0..usize::from(count) {
                let (branch, top) = branch(leaves(count), index).unwrap();
                assert_eq!(Some(top), root(leaves(count)));
                assert_eq!(root_from_branch(leaves(count)[index], &branch, index), top);
                assert_eq!(branch.len(), usize::from(count).next_power_of_two().ilog2() as usize);
            }
            assert_eq!(super::branch(leaves(count), usize::from(count)), None);
        }
    }
}
