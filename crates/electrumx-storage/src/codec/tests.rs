use proptest::prelude::*;

use super::*;

fn any_output() -> impl Strategy<Value = OutputNum> {
    let edges =
        prop_oneof![0..=2_u32, 250..=256_u32, 0xfffe..=0x1_0001_u32, 0xff_fffe..=0x100_0001_u32];
    (0..=TxNum::MAX.0, prop_oneof![any::<u32>(), edges, Just(u32::MAX)])
        .prop_map(|(tx_num, vout)| OutputNum { tx_num: TxNum(tx_num), vout })
}

proptest! {
    #[test]
    fn output_keys_keep_the_order(one in any_output(), two in any_output()) {
        prop_assert_eq!((*output_key(one)).cmp(&output_key(two)), one.cmp(&two));
        let same_tx = OutputNum { vout: two.vout, ..one };
        prop_assert_eq!((*output_key(one)).cmp(&output_key(same_tx)), one.cmp(&same_tx));
    }

    #[test]
    fn output_keys_come_back(one in any_output()) {
        prop_assert_eq!(output(&output_key(one)), Some(one));
    }

    #[test]
    fn keys_of_a_script_are_sorted_by_script_first(
        one in (any::<[u8; 12]>(), any_output()),
        two in (any::<[u8; 12]>(), any_output()),
    ) {
        let key = |(hashx, output)| script_key(&HashX::from_bytes(hashx), output);
        prop_assert_eq!((*key(one)).cmp(&key(two)), one.cmp(&two));
    }

    #[test]
    fn varints_come_back(number in any::<u64>(), bits in 0..64_u32) {
        let number = number >> bits;
        let mut bytes = Vec::new();
        push_varint(&mut bytes, number);
        prop_assert_eq!(varint(&bytes), Some(number));
    }

    /// Every decodable byte string is what the encoder writes: no value has two forms.
    #[test]
    fn decoders_accept_only_what_is_encoded(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
        if let Some(output) = output(&bytes) {
            prop_assert_eq!(&*output_key(output), &*bytes);
        }
        if let Some(number) = varint(&bytes) {
            let mut again = Vec::new();
            push_varint(&mut again, number);
            prop_assert_eq!(&again, &bytes);
        }
        if let Some(row) = output_row(&bytes) {
            let mut again = Vec::new();
            push_output_row(&mut again, &row);
            prop_assert_eq!(&again, &bytes);
        }
    }
}

#[test]
fn second_forms_are_refused() {
    for bytes in [&[0x80, 0x00][..], &[0xff; 10], &[0x80; 11], &[], &[0x80], &[1, 1]] {
        assert_eq!(varint(bytes), None, "{bytes:?}");
    }
    assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), Some(u64::MAX));
    for vout in [&[0xfd, 0, 5][..], &[0xfe, 0, 0xff, 0xff], &[0xff, 0, 0, 0, 1], &[0xfd, 1], &[]] {
        assert_eq!(output(&[&[0, 0, 0, 0, 1], vout].concat()), None, "{vout:?}");
    }
}
