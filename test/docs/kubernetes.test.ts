import t from 'tap'
import { parse } from 'yaml'
import { parseConfig } from '../../sidecar/config.ts'
import { examples, page } from '../support/documents.ts'
import { environmentOf, readDockerfile, said } from '../support/image.ts'
import { kubernetesDefinitions, mistakes } from '../support/openapi.ts'
import { inCheckout } from '../support/paths.ts'

const [yaml = ''] = examples(page('docs/kubernetes.md'))
  .filter(({ language }) => language === 'yaml')
  .map(({ code }) => code)
const deployment = parse(yaml)
const { template } = deployment.spec
const { initContainers, containers, volumes } = template.spec
const [sidecar] = initContainers
const [agent] = containers

const definitions = kubernetesDefinitions()
const skip = definitions === null && 'SKIPPED: no kubernetes-openapi.json here; name one by ACC_KUBERNETES_OPENAPI'

t.test('the manifest of docs/kubernetes.md is what Kubernetes’ own schema allows', { skip }, async (t) => {
  const of = (value: unknown) => mistakes(definitions ?? {}, 'io.k8s.api.apps.v1.Deployment', value, 'Deployment')
  t.same(of(deployment), [])
  const broken = parse(yaml.replace('periodSeconds: 1', 'periodSecond: 1').replace('replicas: 1', 'replicas: one'))
  t.same(of(broken), [
    'Deployment.spec.replicas: expected integer, found "one"',
    'Deployment.spec.template.spec.initContainers[0].startupProbe: there is no periodSecond',
  ])
})

t.test('its sidecar can be started with the environment of the image and the manifest', async (t) => {
  const image = readDockerfile(inCheckout('sidecar/Dockerfile')).at(-1) ?? []
  const own = Object.fromEntries(
    sidecar.env.map(({ name, value }: { name: string; value?: string }) => [name, value ?? 'researcher']),
  )
  const config = parseConfig({ ...environmentOf(image), ...own })
  t.equal(config.identity.agent, 'researcher')
  const mounts = sidecar.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)
  t.same(mounts, [config.dataDir, '/etc/acc/policies'], 'what it writes and reads is mounted')
  t.same(config.policies, { kind: 'folder', folder: 'policies/starter' })
  t.ok(
    image.some(({ rest }) => rest.includes('ln -s /etc/acc/policies policies/starter')),
    'and found there',
  )
  const { runAsUser, runAsGroup } = sidecar.securityContext
  t.equal(said(image, 'USER'), `${runAsUser}:${runAsGroup}`)
  t.same(config.adminListen, { host: '0.0.0.0', port: sidecar.ports[0].containerPort })
  t.equal(config.listen.host, '127.0.0.1', 'the data port is not reached from outside the pod')
  t.notOk(config.trustHeaders.has('agent'), 'the agent cannot name itself')
  t.ok(template.spec.terminationGracePeriodSeconds * 1_000 > config.drainTimeoutMs)
  const { port } = config.listen
  for (const name of ['OPENAI_BASE_URL', 'OPENAI_API_BASE']) {
    const variable = agent.env.find((each: { name: string }) => each.name === name)
    t.equal(variable.value, `http://127.0.0.1:${port}/openai/v1`)
  }
})

t.test('its parts fit together', async (t) => {
  const names = volumes.map(({ name }: { name: string }) => name)
  for (const { name } of sidecar.volumeMounts) t.ok(names.includes(name), name)
  t.equal(agent.volumeMounts, undefined, 'the agent mounts nothing of the sidecar')
  t.not(agent.securityContext.runAsUser, sidecar.securityContext.runAsUser)
  for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
    t.equal(sidecar[probe].httpGet.port, sidecar.ports[0].name)
  t.equal(sidecar.restartPolicy, 'Always')
  t.match(template.metadata.labels, deployment.spec.selector.matchLabels)
  const label = /labels\['(.*)'\]/.exec(
    sidecar.env.find(({ name }: { name: string }) => name === 'ACC_AGENT').valueFrom.fieldRef.fieldPath,
  )
  t.ok(label?.[1] && label[1] in template.metadata.labels, 'the label that names the agent is there')
})
