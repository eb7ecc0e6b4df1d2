/**
 * Words that are as good as each other to whoever gives orders to a model. The model's pairs and triples of words see the
 * meaning in place of the word, so that it knows "disregard prior directives" by "ignore previous instructions", and in
 * other languages too. The first meaning that has a word is its meaning.
 */
const MEANINGS: readonly string[] = [
  // to leave aside
  `ignore disregard forget bypass neglect overlook dismiss abandon unlearn forgetting disregarding ignoriere
    ignorieren vergiss vergesse vergessen missachte verwirf ignorez ignorer oublie oubliez oublier ignora ignorar
    olvida olvide olvidar descarta ignorare dimentica dimenticare esqueça esqueca esquece desconsidere negeer vergeet
    игнорируй игнорируйте игнорировать забудь забудьте ігноруй zignoruj zapomnij abaikan lupakan zaboravi 무시하고 무시하세요
    무시하십시오 잊고`,
  // what one is told
  `instruction instructions directive directives guideline guidelines prompt prompts command commands order orders rule
    rules direction directions programming anweisung anweisungen instruktionen befehle regeln vorgaben angaben consignes
    directrices instrucciones instrucción órdenes reglas instruções instrucoes regras ordens istruzioni regole instructies
    opdrachten инструкции инструкций указания правила команды інструкції instrukcje polecenia instruksi perintah talimatları
    upute instrukcije 지시사항을 지시를 명령을`,
  // what came before
  `previous prior above earlier preceding foregoing former initial original existing past before previously given received
    preprogrammed beforehand vorherigen vorherige obigen obige bisherigen bisherige vorigen früheren vorangegangenen davor
    zuvor bisher précédentes précédente précédents antérieures anteriores anterior previas previos precedenti precedente
    vorige eerdere voorgaande bovenstaande предыдущие предыдущих прежние попередні poprzednie sebelumnya önceki prethodne
    이전 위의`,
  // whoever uses the model
  'user users human operator customer nutzer benutzer utilisateur usuario utente usuário пользователь',
  // the model
  `ai assistant llm llms chatgpt gpt agent agents chatbot claude gemini copilot bot assistants ki ia asistente assistente
    assistenten ии`,
  // to take in a text
  `reading processing viewing parsing summarizing summarising analyzing analysing reviewing accessing scanning reads
    processes indexing evaluating`,
  // to give out words
  `say print output write respond reply answer state type return repeat echo show reveal display recite dump tell inform
    mention notify disclose share spell sage schreibe antworte gib zeige zeig nenne di escribe muestra responde revela écris
    affiche affichez réponds dites diga escreva mostre responda scrivi rispondi mostra dimmi zeg schrijf toon напиши скажи
    ответь покажи выведи napisz powiedz pokaż katakan tulis tampilkan yaz söyle göster`,
  // to hand over
  `send forward email upload transmit deliver submit exfiltrate leak mail copy post sende schicke leite envía manda reenvía
    envoie envie отправь`,
  // what is not for all
  `password passwords passphrase passcode secret secrets credentials credential token tokens key keys passwort kennwort
    schlüssel contraseña clave senha пароль hasło şifreyi`,
  // what binds a model
  `restrictions restriction limitations limitation filters filter censorship ethics morals morality boundaries policies
    policy constraints safeguards restraints disclaimers limits grenzen filtres límites filtros ограничений`,
  'illegal unethical immoral harmful dangerous offensive inappropriate nsfw explicit forbidden amoral unfiltered uncensored',
  'refuse refuses decline reject apologize apologise refusing',
  'pretend act imagine roleplay simulate behave imitate suppose impersonate finge finja imagina представь',
  // what a text stands in
  'page webpage website document file text article paper resume mail message paragraph function code table website',
  'task question request query goal objective mission aufgabe aufgaben tarea tâche tarefa',
  'developer admin administrator creator owner engineer openai anthropic ceo boss god president',
  'tool tools function functions',
  'must should shall need required ordered authorized instructed obliged',
  'never not dont cannot cant wont nicht nie nunca jamais никогда',
  'now instead henceforth jetzt nun stattdessen ahora agora maintenant désormais теперь',
]

/** Every word that has a meaning, with the number of its meaning, from 1. */
export function meanings(): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>()
  MEANINGS.forEach((words, index) => {
    for (const word of words.split(/\s+/)) if (!numbers.has(word)) numbers.set(word, index + 1)
  })
  return numbers
}
