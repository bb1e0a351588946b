//! How does the Electrum protocol name an address?
//!
//! ```text
//! cargo run -p electrumx-examples --bin scripthash_of_address -- 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa
//! ```
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;

use electrumx_core::ScriptHash;
use electrumx_core::bitcoin::Address;
use electrumx_core::bitcoin::address::NetworkUnchecked;

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).ok_or("usage: scripthash_of_address ADDRESS")?;
    // Of any network: the script is the same on all.
    let address: Address<NetworkUnchecked> = text.parse()?;
    let script = address.assume_checked().script_pubkey();
    println!("script     {}", script.to_hex_string());
    println!("scripthash {}", ScriptHash::of_script(script.as_bytes()));
    Ok(())
}
