import { PROVIDER_NAMES, type ProviderName } from '@agentcostcontrol/contract'

type Environment = Readonly<Record<string, string | undefined>>

/** A provider whose API is its own: where the simulator serves it, and where its SDKs look for a key. */
interface OwnApi {
  readonly path: string
  readonly keys: readonly string[]
}

const OWN_APIS: Readonly<Partial<Record<ProviderName, OwnApi>>> = {
  anthropic: { path: '/anthropic/v1', keys: ['ANTHROPIC_API_KEY'] },
  azure: { path: '/azure', keys: ['AZURE_OPENAI_API_KEY'] },
  google: { path: '/google', keys: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'] },
  ollama: { path: '/ollama', keys: [] },
  openai: { path: '/v1', keys: [] },
}

const variable = (name: ProviderName): string => `ACC_UPSTREAM_${name.toUpperCase()}`

/** Providers with an API of their own for which the user has a key: they are not simulated. */
export const realProviders = (env: Environment): readonly ProviderName[] =>
  PROVIDER_NAMES.filter((name) => OWN_APIS[name]?.keys.some((key) => env[key]))

/** The simulator as the address of every other provider, so that nothing leaves the machine whatever path is asked for. */
export const simulatedUpstreams = (
  simulator: string,
  real: readonly ProviderName[],
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    PROVIDER_NAMES.filter((name) => !real.includes(name)).map((name) => [
      variable(name),
      simulator + (OWN_APIS[name]?.path ?? `/${name}/v1`),
    ]),
  )
