// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays the inputs that fuzzing kept, through the functions that are fuzzed: what was found once
//! stays found.

#[allow(unreachable_pub, reason = "a crate of its own elsewhere")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

#[test]
fn every_kept_input_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus-seeds");
    for (target, entry) in fuzz::ENTRIES {
        let inputs: Vec<_> =
            folder.join(target).read_dir().unwrap().map(|input| input.unwrap().path()).collect();
        assert!(inputs.len() > 5, "{target} has {} inputs", inputs.len());
        for input in &inputs {
            let bytes = std::fs::read(input).unwrap();
            let run = std::panic::catch_unwind(|| entry(&bytes));
            assert!(run.is_ok(), "{target}: {} is a finding", input.display());
        }
        println!("{target}: {} inputs", inputs.len());
    }
}
