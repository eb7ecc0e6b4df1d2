/** Where a fuzzer begins: the same inputs in each run, others with FUZZ_SEED. */
export const FUZZ_SEED = Number(process.env.FUZZ_SEED ?? 1)
