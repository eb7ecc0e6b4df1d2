import { type Simulator, type SimulatorOptions, startSimulator } from '@agentcostcontrol/simulator'
import { inCheckout } from './paths.ts'
import type { Scope } from './scope.ts'

/** A simulated provider in this process, closed with the scope; it records every request. */
export async function simulatorFor(scope: Scope, options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    rateCard: inCheckout('seed/rate-card.json'),
    recordRequests: true,
    ...options,
  })
  scope.teardown(() => simulator.close())
  return simulator
}
