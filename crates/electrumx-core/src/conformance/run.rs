//! The whole suite.

use std::ops::Deref;

use super::{
    a_fork_replaces_blocks, a_later_duplicate_txid_hides_the_earlier, an_empty_store_has_nothing,
    any_split_gives_the_same_index, appended_blocks_are_shown,
    blocks_that_do_not_extend_are_refused, limits_are_errors, numbers_out_of_range_are_no_errors,
    unwinding_is_truncation, views_are_consistent_during_writes, views_are_snapshots,
};
use crate::store::Store;

/// Runs every check, each with a new store.
pub fn run<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    an_empty_store_has_nothing(&make);
    appended_blocks_are_shown(&make);
    any_split_gives_the_same_index(&make);
    views_are_snapshots(&make);
    unwinding_is_truncation(&make);
    a_fork_replaces_blocks(&make);
    a_later_duplicate_txid_hides_the_earlier(&make);
    blocks_that_do_not_extend_are_refused(&make);
    limits_are_errors(&make);
    numbers_out_of_range_are_no_errors(&make);
    views_are_consistent_during_writes(&make);
}

/// Makes a test of every check in [`conformance`](crate::conformance), given a function that makes a
/// new, empty store.
#[macro_export]
macro_rules! store_conformance {
    ($make:expr) => {
        $crate::store_conformance! {
            $make =>
            an_empty_store_has_nothing
            appended_blocks_are_shown
            any_split_gives_the_same_index
            views_are_snapshots
            unwinding_is_truncation
            a_fork_replaces_blocks
            a_later_duplicate_txid_hides_the_earlier
            blocks_that_do_not_extend_are_refused
            limits_are_errors
            numbers_out_of_range_are_no_errors
            views_are_consistent_during_writes
        }
    };
    ($make:expr => $($check:ident)*) => {
        $(
            #[test]
            fn $check() {
                $crate::conformance::$check($make);
            }
        )*
    };
}
