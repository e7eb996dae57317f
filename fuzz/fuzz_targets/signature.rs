#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| source_stripe::laws::signature(bytes));
