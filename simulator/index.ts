export type { BillEntry } from './bill.ts'
export { type RecordedRequest, type Simulator, type SimulatorOptions, startSimulator } from './server.ts'
