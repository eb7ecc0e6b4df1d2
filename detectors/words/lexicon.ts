/**
 * Words that mean the same to whoever gives orders to a model, as classes. A class is a bit, so that a word can be of
 * several. Rules are written over classes, and the model's pairs and triples of words see the class in place of the word:
 * so "disregard prior directives" is what "ignore previous instructions" is, and in the languages listed here too.
 */
const WORDS = {
  ignore: `ignore disregard forget override bypass neglect overlook dismiss abandon discard drop skip overwrite unlearn
    ignoriere ignorieren vergiss vergesse vergessen missachte ignorez ignorer oublie oubliez oublier ignora ignorar olvida
    olvide olvidar ignorare dimentica dimenticare esqueça esqueca esquece negeer vergeet игнорируй игнорируйте игнорировать
    забудь забудьте zignoruj zapomnij`,
  instruction: `instruction instructions directive directives guideline guidelines prompt prompts command commands order
    orders rule rules direction directions programming anweisung anweisungen instruktionen befehle regeln vorgaben consignes
    instrucciones instrucción reglas instruções instrucoes regras istruzioni regole instructies opdrachten инструкции
    инструкций указания правила instrukcje polecenia`,
  previous: `previous prior above earlier preceding foregoing former initial original existing past before previously given
    received current preprogrammed beforehand vorherigen vorherige obigen obige bisherigen bisherige vorigen früheren davor
    précédentes précédente précédents antérieures anteriores anterior previas previos precedenti precedente vorige eerdere
    voorgaande bovenstaande предыдущие предыдущих poprzednie`,
  all: `all any every everything anything whatever alle alles sämtliche toutes tous tout todas todos todo tutte tutti tutto
    tudo все всё wszystkie`,
  filler: `the of your my these those this that and or such its a an about to from you i we they were have been has was are
    got which what other system die der den dem diese diesen deine deiner ihre ihrer les vos ces las los tus sus le de del
    dei des gli as suas os i`,
  your: 'your you deine deiner ihre ihren vos tes tus sus suas je jouw твои ваши',
  negation: `not never dont no cant cannot doesnt shouldnt mustnt wont nicht nie niemals kein ne pas jamais nunca jamás non
    mai niet nooit не`,
  without: 'without ohne sans sin senza sem zonder без',
  tell: `tell inform mention notify reveal disclose alert report explain telling informing mentioning notifying revealing
    disclosing alerting`,
  user: 'user users human operator customer nutzer benutzer utilisateur usuario utente usuário',
  agent: `ai assistant llm llms chatgpt gpt agent agents chatbot claude gemini copilot bot assistants ki`,
  reader: `reading processing viewing parsing summarizing summarising analyzing analysing reviewing accessing scanning
    reads processes`,
  show: `reveal print show repeat output display leak expose recite dump return share write spell zeige zeig gib nenne
    affiche affichez muestra revela mostra`,
  hidden: 'system hidden secret initial original full entire confidential internal exact verbatim complete above',
  message: 'message notice note instruction instructions attention announcement reminder request',
  restriction: `restrictions restriction limitations limitation filters filter censorship ethics morals morality boundaries
    guidelines policies policy rules constraints safeguards restraints warnings disclaimers`,
  moral: 'moral ethical legal safety content openai openais',
  bound: 'bound constrained restricted limited bind free freed liberated',
  mode: 'mode modus modo',
  unlock: 'developer dan jailbreak god unrestricted dev debug evil opposite maintenance override',
  enabled: 'enabled activated active on output engaged',
  anything: 'anything',
  now: 'now',
  do: 'do',
  read: `read open cat load access fetch retrieve include attach pass send post upload forward provide copy extract
    submit append transmit`,
  keyfile: 'rsa ssh ed25519 shadow passwd keychain kubeconfig gnupg netrc pgpass',
  settings: 'mcp env credentials aws kube cookies cursor tokens token password passwords apikey secrets',
  before: 'before prior whenever instead first always must every',
  use: 'using calling invoking use call invoke executing running run',
  tool: 'tool tools function functions',
  tag: 'important critical hidden instructions instruction system admin information',
} as const

/** The name of a class of words. */
export type WordClass = keyof typeof WORDS

const NAMES: readonly string[] = Object.keys(WORDS)

/** The bit of a class. */
export const classBit = (name: WordClass): number => 1 << NAMES.indexOf(name)

/** Every word of the lexicon with the bits of its classes. */
export function lexicon(): ReadonlyMap<string, number> {
  const classes = new Map<string, number>()
  Object.values(WORDS).forEach((words, index) => {
    for (const word of words.split(/\s+/)) classes.set(word, (classes.get(word) ?? 0) | (1 << index))
  })
  return classes
}
