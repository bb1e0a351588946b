//! The vectors of the protocol's documentation.

use crate::chain::{Chain, scripthash, tx, tx_named};
use crate::client::Server;
use crate::methods::A;

#[tokio::test]
async fn status_of_a_history() {
    let (t11, t22, taa) = (tx(0x11).pays(A, 1), tx(0x22).pays(A, 1), tx(0xaa).pays(A, 1));
    let mut chain = Chain::new();
    chain.mine_to(99);
    chain.mine(vec![t11, t22]);
    chain.mine_to(104);
    chain.mine(vec![taa.clone()]);
    let f0 = tx(0xf0).pays(A, 1);
    chain.pool(&f0, 1);
    chain.pool(&tx(0x0f).pays(A, 1), 1);
    chain.pool(&tx(0x01).spends(&f0, 0), 1);
    assert_eq!(
        status(chain).await,
        r#""9b1987f6952909cc5cd7f81ab5f689142b769fb00e07d9615fd47fcae5cb3ac5""#
    );

    let mut chain = Chain::new();
    chain.mine_to(99);
    chain.mine(vec![tx(0x11).pays(A, 1)]);
    assert_eq!(
        status(chain).await,
        r#""b464a7e7093a870ab2162fe8b91e608dfc846fe815a3d16100c986435794654e""#
    );

    let mut chain = Chain::new();
    chain.pool(&tx(0x11).pays(A, 1), 1);
    assert_eq!(
        status(chain).await,
        r#""0b299d1154c8263acb19b84e95f18d100739a2226614a12ef1ac0b53660e734f""#
    );

    let mut chain = Chain::new();
    let parent = tx(0x22).pays(b"other", 1);
    chain.pool(&parent, 1);
    chain.pool(&tx(0x11).spends(&parent, 0).pays(A, 1), 1);
    assert_eq!(
        status(chain).await,
        r#""ddd5db77b95f863cdbb41d9a60277ef4098c0e75c5a76080b6cd0b55d2b054db""#
    );
}

#[tokio::test]
async fn status_of_a_history_from_regtest() {
    let mut chain = Chain::new();
    chain.mine_to(2471);
    let first =
        tx_named("a6c9c361bd0bc536d6a22648efbf8f9b200e425ef6c3a7a9669dc444c532a347").pays(A, 1);
    let second =
        tx_named("9c42f84b2fcdaff676ba25d9d4941741cc0d1a01cce0c23fdc4c0b2afa38431c").pays(A, 1);
    let third =
        tx_named("770f2d4371b3fabb902dd9a103e2dd005fcd3971181078fca4a2a1d6ff127b30").pays(A, 1);
    chain.mine(vec![first]);
    chain.mine(vec![second, third]);
    let parent =
        tx_named("e02a1dadfa83b996b24175df807b271ea5d02937ef5b35c195fac1e1bdc3198f").pays(A, 1);
    chain.pool(&parent, 1);
    chain.pool(
        &tx_named("bb4c8ab438c13b89ca80d1d5bee25b0b6b7f55673f4d801998ba97db161d9e85")
            .spends(&parent, 0),
        1,
    );
    chain.pool(
        &tx_named("80b19848aed792565ab7c5a79b7c2a00fbf985741579396ebe0ab6098e607311").pays(A, 1),
        1,
    );
    assert_eq!(
        status(chain).await,
        r#""78e96c6562cafa71c115503b9411fdfdc595a45031e2ab76ff75162fe1b0590d""#
    );
}

async fn status(chain: Chain) -> String {
    let server = Server::new(chain);
    let params = format!(r#"["{}"]"#, scripthash(A));
    server.connect().call("blockchain.scripthash.subscribe", &params).await
}

const BLOCK_100000: [&str; 5] = [
    "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
    "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
    "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
    "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    "1111111111111111111111111111111111111111111111111111111111111111",
];

#[tokio::test]
async fn merkle_branches_of_transactions() {
    let left = "8e30899078ca1813be036a073bbf80b86cdddde1c96e9e9c99e9e3782df4ae49";
    let right = "ccdafb73d8dcd0173d5d5c3c9a0770d0b3953db889dab99ef05b1907518cb815";
    let five = [
        BLOCK_100000[4],
        "113f75317a0ca91df1ac16bfd297cde908ab80ba8a206e89054cfbf28e426e10",
        "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766",
    ];
    let [t0, t1, t2, t3, _] = BLOCK_100000;
    for (count, pos, branch) in [
        (4, 0, vec![t1, left]),
        (4, 1, vec![t0, left]),
        (4, 2, vec![t3, right]),
        (4, 3, vec![t2, right]),
        (3, 2, vec![t2, right]),
        (5, 4, five.to_vec()),
    ] {
        let mut chain = Chain::new();
        chain.mine_exactly(None, BLOCK_100000[..count].iter().map(|txid| tx_named(txid)).collect());
        let server = Server::new(chain);
        let mut client = server.connect();
        let branch = serde_json::to_string(&branch).unwrap();
        let params = format!(r#"["{}",1]"#, BLOCK_100000[pos]);
        let answer = client.call("blockchain.transaction.get_merkle", &params).await;
        assert_eq!(answer, format!(r#"{{"block_height":1,"merkle":{branch},"pos":{pos}}}"#));
        let answer =
            client.call("blockchain.transaction.id_from_pos", &format!("[1,{pos},true]")).await;
        assert_eq!(answer, format!(r#"{{"tx_hash":"{}","merkle":{branch}}}"#, BLOCK_100000[pos]));
    }
}

#[tokio::test]
async fn merkle_branch_of_the_first_payment() {
    let coinbase = "b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082";
    let payment = "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16";
    let mut chain = Chain::new();
    chain.mine_to(169);
    chain.mine_exactly(None, vec![tx_named(coinbase), tx_named(payment)]);
    let server = Server::new(chain);
    let answer = server
        .connect()
        .call("blockchain.transaction.get_merkle", &format!(r#"["{payment}",170]"#))
        .await;
    assert_eq!(answer, format!(r#"{{"block_height":170,"merkle":["{coinbase}"],"pos":1}}"#));
}

const MAINNET: [&str; 9] = [
    "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
    "000000006a625f06636b8bb6ac7b960a8d03705d1ace08b1a19da3fdcc99ddbd",
    "0000000082b5015589a3fdf2d4baff403e6f0be035a5d9742c1cae6295464449",
    "000000004ebadb55ee9096c9a2f8880e09da59c0d68b1c228da88e48844a1485",
    "000000009b7262315dbf071787ad3656097b892abffd1f95a1a022f896f533fc",
    "000000003031a0e73735690c5a1ff2a4be82553b2a12b776fbd3a215dc8f778d",
    "0000000071966c2b1d065fd446b1e485b2c9d9594acd2007ccbd5441cfc89444",
    "00000000408c48f847aa786c2268fc3e6ec2af68e8468a34a28c61b7f1de0dc6",
];

#[tokio::test]
async fn header_proofs_of_mainnet() {
    let mut chain = Chain::empty();
    for (i, hash) in (0..).zip(MAINNET) {
        chain.mine_exactly(Some(hash), vec![tx(i)]);
    }
    let server = Server::new(chain);
    let mut client = server.connect();
    let low = "965ac94082cebbcffe458075651e9cc33ce703ab0115c72d9e8b1a9906b2b636";
    let root_8 = "e347b1c43fd9b5415bf0d92708db8284b78daf4d0e24f9c3405f45feb85e25db";
    for (height, cp_height, root, branch) in [
        (
            0,
            1,
            "abdc2227d02d114b77be15085c1257709252a7a103f9ac0ab3c85d67e12bc0b8",
            vec![MAINNET[1]],
        ),
        (
            5,
            8,
            root_8,
            vec![
                MAINNET[4],
                "96cbbc84783888e4cc971ae8acf86dd3c1a419370336bb3c634c97695a8c5ac9",
                low,
                "89e5daa6950b895190716dd26054432b564ccdc2868188ba1da76de8e1dc7591",
            ],
        ),
        (
            8,
            8,
            root_8,
            vec![
                MAINNET[8],
                "67552d97dfd80082ecd5fe3b233e3a4aa9cb9a07a6040bb43b507cbec44088f2",
                "c752fe3464335530a1109a7cfc6193f9aafb6d0dd913a4a51b92bc6cc4a90c33",
                "c809e7a698a4b4c474ff6f5f05e88af6d7cb80ddbbe302660dfe6bd1969224a2",
            ],
        ),
        (
            5,
            5,
            "8128c71269a41befbdbacb87e90cf246991cc305a357df36ddb4345f1e691f52",
            vec![
                MAINNET[4],
                "f9f17a3c6d02b0920eccb11156df370bf4117fae2233dfee40817586ba981ca5",
                low,
            ],
        ),
        (
            4,
            4,
            "a7b8e38ec91da1483864ecd86a19580a79c385c3871c1b74e4c9cca38a9a43a5",
            vec![
                MAINNET[4],
                "92b9421770580bea765ce97b78f8cf7feb9825bdb47acb5bee51c788890dc7a1",
                low,
            ],
        ),
    ] {
        let proof =
            format!(r#","branch":{},"root":"{root}"}}"#, serde_json::to_string(&branch).unwrap());
        let header =
            client.call("blockchain.block.header", &format!("[{height},{cp_height}]")).await;
        assert!(header.starts_with(r#"{"header":"#) && header.ends_with(&proof), "{header}");
        let count = height + 1;
        let headers =
            client.call("blockchain.block.headers", &format!("[0,{count},{cp_height}]")).await;
        assert!(headers.ends_with(&format!(r#","max":2016{proof}"#)), "{headers}");
    }
}

#[tokio::test]
async fn header_proofs_follow_a_reorg() {
    let mut chain = Chain::new();
    chain.mine_to(20);
    let mut server = Server::new(chain);
    let mut client = server.connect();
    for fork in [3, 1, 17] {
        let before = client.call("blockchain.block.header", "[2,20]").await;
        server.chain.unwind(fork, &[]);
        for _ in 0..fork {
            server.chain.mine(Vec::new());
        }
        let after = client.call("blockchain.block.header", "[2,20]").await;
        assert_ne!(before, after);
        // A session over the same chain whose tree is new says the same.
        let fresh = Server::new(std::mem::replace(&mut server.chain, Chain::new()));
        assert_eq!(fresh.connect().call("blockchain.block.header", "[2,20]").await, after);
        server.chain = fresh.chain;
    }
}
