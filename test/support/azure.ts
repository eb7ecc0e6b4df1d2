import { type AzureClientOptions, AzureOpenAI } from 'openai'
import type { Test } from 'tap'
import { type BasePaths, type SdkOptions, sameAt } from './sdk.ts'
import { type Twins, tagged } from './twins.ts'

/** What the simulated deployments are, as a policy says it. */
export const AZURE_POLICY = `apiVersion: agentcostcontrol.io/v1
kind: ProviderConfig
metadata: { name: azure }
spec:
  provider: azure
  models:
    chat-prod: { model: gpt-4.1 }
    mini-eu: { model: gpt-4.1-mini, priceList: openai }
    thinker: { model: o4-mini }
    embedder: { model: text-embedding-3-small }
`

/** Where its client's endpoint is: the sidecar is reached without a name, since only Azure has such paths. */
const AZURE_ENDPOINT: BasePaths = { direct: '/azure', through: '' }

/** How a client is set up besides its address. */
export type AzureOptions = SdkOptions & Pick<AzureClientOptions, 'apiVersion' | 'deployment'>

/** Azure's official client, as an agent sets it up; every request carries the tag. */
export function azureAt(endpoint: string, tag: string, { headers = {}, ...rest }: AzureOptions = {}): AzureOpenAI {
  return new AzureOpenAI({
    endpoint,
    apiKey: 'key-of-the-test',
    apiVersion: '2024-10-21',
    maxRetries: 0,
    timeout: 20_000,
    ...rest,
    defaultHeaders: { ...tagged(tag), ...headers },
  })
}

/** {@link sameAt} for Azure's official client. */
export const sameDeployment = <T>(
  t: Test,
  twins: Twins,
  tag: string,
  ask: (client: AzureOpenAI) => Promise<T>,
  options: AzureOptions = {},
): Promise<T> => sameAt(t, twins, tag, (endpoint) => ask(azureAt(endpoint, tag, options)), AZURE_ENDPOINT)
