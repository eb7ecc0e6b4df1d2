import type { CommandRuleId } from '../../rules.ts'
import { hasOption, type Invocation, operands, optionValues } from '../unwrap.ts'
import type { RulesByProgram } from './common.ts'

/** Releases, repositories, containers, clusters and clouds. */
export const operations: RulesByProgram = {
  git,
  gh: ({ args }) =>
    /^(?:repo|release|secret|gist)$/.test(args[0] ?? '') && args[1] === 'delete'
      ? args[0] === 'repo'
        ? 'repository-delete'
        : 'resource-delete'
      : null,
  glab: ({ args }) => (args[0] === 'repo' && args[1] === 'delete' ? 'repository-delete' : null),
  'git-filter-repo': () => 'history-rewrite',
  npm: publishes,
  pnpm: publishes,
  yarn: ({ args }) =>
    args[0] === 'publish' || (args[0] === 'npm' && args[1] === 'publish')
      ? publishes({ args: ['publish', ...args.slice(1)] })
      : null,
  bun: publishes,
  twine: ({ args }) => (args[0] === 'upload' ? 'package-publish' : null),
  cargo: ({ args }) => publishes({ args }),
  poetry: ({ args }) => publishes({ args }),
  uv: ({ args }) => publishes({ args }),
  gem: ({ args }) => (args[0] === 'push' || args[0] === 'yank' ? 'package-publish' : null),
  vsce: ({ args }) => publishes({ args }),
  docker,
  podman: docker,
  nerdctl: docker,
  kubectl: deletesInCluster,
  oc: deletesInCluster,
  k: deletesInCluster,
  helm: ({ args }) =>
    /^(?:uninstall|delete|del)$/.test(args[0] ?? '') && !args.includes('--dry-run') ? 'resource-delete' : null,
  terraform: destroysAll,
  tofu: destroysAll,
  terragrunt: destroysAll,
  pulumi: ({ args }) =>
    args[0] === 'destroy' || (args[0] === 'stack' && args[1] === 'rm') ? 'infrastructure-destroy' : null,
  cdk: ({ args }) => (args[0] === 'destroy' ? 'infrastructure-destroy' : null),
  eksctl: ({ args }) => (args[0] === 'delete' ? 'infrastructure-destroy' : null),
  aws: ({ args }) => awsDeletes(args),
  gcloud: ({ args }) =>
    args.includes('delete') &&
    /^(?:projects|compute|container|sql|storage|functions|run|firestore|spanner|kms)$/.test(args[0] ?? '')
      ? 'cloud-delete'
      : null,
  gsutil: ({ args }) => (args.includes('rb') || (args.includes('rm') && hasOption(args, 'rR')) ? 'cloud-delete' : null),
  az: ({ args }) =>
    args.includes('delete') && /^(?:group|vm|sql|storage|aks|keyvault|webapp|cosmosdb)$/.test(args[0] ?? '')
      ? 'cloud-delete'
      : null,
  doctl: ({ args }) => (args.includes('delete') || args.includes('rm') ? 'cloud-delete' : null),
  heroku: ({ args }) =>
    /^(?:apps:destroy|pg:reset|addons:destroy)$/.test(args[0] ?? '') ? 'infrastructure-destroy' : null,
  vault: ({ args }) => (args[0] === 'kv' && /^(?:destroy|metadata)$/.test(args[1] ?? '') ? 'cloud-delete' : null),
}

function git({ args }: Pick<Invocation, 'args'>): CommandRuleId | null {
  const from = args.findIndex((arg, index) => !arg.startsWith('-') && !/^-[cC]$/.test(args[index - 1] ?? ''))
  const [verb = '', ...rest] = args.slice(Math.max(0, from))
  if (verb === 'push') {
    if (rest.includes('--dry-run')) return null
    if (rest.includes('--mirror')) return 'mirror-push'
    return hasOption(rest, 'f', '--force') ||
      operands(rest)
        .slice(1)
        .some((ref) => ref.startsWith('+'))
      ? 'force-push'
      : null
  }
  if (verb === 'filter-branch' || verb === 'filter-repo') return 'history-rewrite'
  if (verb === 'update-ref' && rest.includes('-d')) return 'history-rewrite'
  if (verb === 'reflog' && rest[0] === 'expire' && rest.some((arg) => arg === '--expire=now')) return 'history-rewrite'
  if (
    verb === 'config' &&
    /^core\.(?:sshcommand|fsmonitor)$/i.test(operands(rest)[0] ?? '') &&
    operands(rest).length > 1
  )
    return 'git-hook'
  if (verb === 'config' && /^core\.hookspath$/i.test(operands(rest)[0] ?? '') && /^[/~$]/.test(operands(rest)[1] ?? ''))
    return 'git-hook'
  if (
    verb === 'config' &&
    rest.some((arg) => /^credential\.helper$/i.test(arg)) &&
    rest.some((arg) => arg.startsWith('!'))
  )
    return 'git-hook'
  return null
}

function publishes({ args }: Pick<Invocation, 'args'>): CommandRuleId | null {
  const verb = operands(args)[0]
  return (verb === 'publish' || verb === 'unpublish') && !args.includes('--dry-run') ? 'package-publish' : null
}

const HOST_FOLDER =
  /^(?:\/|\/(?:etc|root|home|var|usr|proc|sys|dev|boot|var\/run\/docker\.sock|run\/docker\.sock|run\/containerd\/containerd\.sock|root\/\.ssh))\/?$/

function docker({ args }: Pick<Invocation, 'args'>): CommandRuleId | null {
  const verb = operands(args)[0] ?? ''
  if (verb === 'system' && args.includes('prune') && hasOption(args, '', '--volumes')) return 'resource-delete'
  if (!/^(?:run|create|container|exec)$/.test(verb)) return null
  const mounts = [
    ...optionValues(args, '-v', '--volume').map((value) => value.split(':')[0] ?? ''),
    ...optionValues(args, '--mount').flatMap((value) => /(?:source|src)=([^,]+)/.exec(value)?.[1] ?? []),
  ]
  if (mounts.some((folder) => HOST_FOLDER.test(folder))) return 'container-host-mount'
  const isPrivileged =
    args.some((arg) => /^--privileged(?:=true)?$|^--pid=host$|^--cap-add=(?:ALL|SYS_ADMIN)$/i.test(arg)) ||
    optionValues(args, '--cap-add').some((cap) => /^(?:ALL|(?:CAP_)?SYS_ADMIN)$/i.test(cap)) ||
    optionValues(args, '--pid').includes('host')
  return isPrivileged ? 'container-privileged' : null
}

function deletesInCluster({ args }: Pick<Invocation, 'args'>): CommandRuleId | null {
  const named = operands(args)
  if (args.some((arg) => arg.startsWith('--dry-run'))) return null
  if (named[0] === 'drain') return 'resource-delete'
  const at = named.indexOf('delete')
  if (at === -1 || at > 2 || named.includes('get') || named.includes('exec')) return null
  const kind = named[at + 1] ?? ''
  if (
    hasOption(args, 'A', '--all', '--all-namespaces') ||
    /^(?:ns|namespaces?|crds?|customresourcedefinitions?|nodes?|no|pv|pvc|persistentvolume(?:claim)?s?|all|clusterrole(?:binding)?s?|secrets?)(?:\/|,|$)/.test(
      kind,
    )
  )
    return 'cluster-delete'
  return 'resource-delete'
}

function destroysAll({ args }: Pick<Invocation, 'args'>): CommandRuleId | null {
  const verbs = operands(args)
  if (verbs[0] === 'destroy' || verbs[1] === 'destroy') return 'infrastructure-destroy'
  if (verbs[0] === 'apply' && args.some((arg) => /^--?destroy$/.test(arg))) return 'infrastructure-destroy'
  return verbs[0] === 'state' && verbs[1] === 'rm' ? 'resource-delete' : null
}

function awsDeletes(args: readonly string[]): CommandRuleId | null {
  const [service = '', verb = ''] = operands(args)
  if (args.includes('--dry-run') || args.includes('--dryrun')) return null
  if (service === 's3') {
    if (verb === 'rb') return 'cloud-delete'
    return verb === 'rm' && args.includes('--recursive') ? 'cloud-delete' : null
  }
  if (
    /^(?:terminate-|delete-(?:db|table|stack|bucket|cluster|user|role|key|volume|snapshot|backup|vault|function|secret|hosted-zone|trail|vpc|file-system|repository))/.test(
      verb,
    )
  )
    return 'cloud-delete'
  if (service === 'cloudtrail' && verb === 'stop-logging') return 'security-off'
  if (service === 'guardduty' && verb.startsWith('delete')) return 'security-off'
  return service === 'iam' &&
    /^(?:create-access-key|attach-user-policy|create-login-profile|put-user-policy)$/.test(verb)
    ? 'account-change'
    : null
}
