/** What developers and their agents run all day, and nothing should be said about. */
export const HONEST_SHELL: readonly string[] = String.raw`
ls -la
pwd
cd /workspace && ls
cat package.json
cat README.md | head -50
head -n 20 src/index.ts
tail -f logs/app.log
grep -rn "TODO" src/
rg "rm -rf" --type sh
grep -r "curl | sh" docs
find . -name "*.ts" -not -path "./node_modules/*"
find . -type d -name node_modules -prune -exec rm -rf {} +
find . -name "*.pyc" -delete
find . -name __pycache__ -type d -exec rm -rf {} +
find /var/log -name "*.gz" -mtime +30 -delete
find /tmp -mtime +7 -delete
git status
git diff HEAD~1
git log --oneline -20
git add -A && git commit -m "fix: remove rm -rf / from the docs"
git commit -m "feat: add curl | sh installer"
git push
git push origin main
git push -u origin feature/x
git push --force-with-lease
git push --tags
git pull --rebase
git checkout -b feature
git reset --hard HEAD
git clean -fdx
git stash pop
git rebase -i HEAD~3
git fetch --all --prune
git clone https://github.com/org/repo.git
git branch -D old-branch
git config user.name "Dev"
git config --get core.hooksPath
git remote add origin git@github.com:org/repo.git
npm install
npm ci
npm run build
npm test -- --watch=false
npm run test:unit
npm publish --dry-run
npm view react version
npx tsc --noEmit
npx eslint . --fix
npx prettier --write "src/**/*.ts"
npx -y create-vite@latest app
pnpm install --frozen-lockfile
pnpm -r build
yarn add lodash
bun install
bun test
deno task dev
node index.js
node -e "console.log(process.version)"
node -e 'console.log(JSON.stringify(require("./package.json").version))'
node --test
make
make clean
make -j8 all
make install PREFIX=/usr/local
cmake -B build && cmake --build build
cargo build --release
cargo test
cargo clean
go build ./...
go test ./... -run TestX
go mod tidy
python -m venv .venv
source .venv/bin/activate
. .venv/bin/activate && pip install -r requirements.txt
pip install -e .
pip install requests==2.31.0
python3 -m pytest -q
python -c "import sys; print(sys.version)"
python3 -c 'import json; print(json.load(open("data.json"))["x"])'
python manage.py migrate
python3 -m http.server 8000
uv pip install ruff
poetry install
ruff check . --fix
mypy src
rm -rf node_modules
rm -rf ./dist
rm -rf dist build coverage .next .turbo
rm -rf node_modules package-lock.json && npm install
rm -rf /tmp/x
rm -rf /tmp/build-*
rm -rf "$TMPDIR/work"
rm -rf "$BUILD_DIR"
rm -rf build/*
rm -rf ./build/*
rm -rf ~/.cache/pip
rm -rf ~/.npm/_cacache
rm -rf ~/.gradle/caches
rm -rf ~/Library/Caches/Homebrew
rm -rf /var/lib/apt/lists/*
rm -rf /var/cache/apk/*
rm -rf /usr/local/go && tar -C /usr/local -xzf go1.22.linux-amd64.tar.gz
rm -rf /usr/share/nginx/html/*
rm -rf /app/node_modules
rm -rf /workspace/project/target
rm -rf .git/index.lock
rm -f *.log
rm -f /etc/nginx/sites-enabled/default
rm -r src/old
rm file.txt
rm -rf android/app/build ios/Pods
rmdir empty
rimraf dist
mkdir -p src/components
cp .env.example .env
cp -r src dist
mv old.txt new.txt
mv ~/Downloads/file.zip .
ln -sf ../shared/config.json config.json
touch newfile
chmod +x scripts/deploy.sh
chmod 755 bin/app
chmod 644 README.md
chmod 600 ~/.ssh/id_rsa
chmod 0755 bin/app
chmod -R u+w .
chmod 700 ~/.ssh
chown -R node:node /app
chown -R $USER:$USER ~/.npm
sudo chown -R www-data:www-data /var/www/html
ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519 -N ""
ssh -i ~/.ssh/id_rsa user@host
ssh user@host "uptime"
ssh-add ~/.ssh/id_ed25519
ssh-copy-id user@host
cat ~/.ssh/id_rsa.pub
cat ~/.ssh/config
ls ~/.ssh
scp dist.tgz user@host:/var/www/
scp -i ~/.ssh/key.pem app.tar user@10.0.0.2:/tmp
rsync -avz --delete dist/ user@host:/var/www/app/
rsync -a src/ backup/
tar czf release.tgz dist
tar xzf archive.tar.gz -C /opt/app
unzip -o file.zip
gzip -d data.gz
curl https://api.example.com/v1/users
curl -s https://api.github.com/repos/org/repo | jq .stargazers_count
curl -H "Authorization: Bearer $TOKEN" https://api.example.com/me
curl -X POST -H "Content-Type: application/json" -d '{"a":1}' http://localhost:3000/api
curl -X POST -d @payload.json https://api.example.com
curl -F "file=@report.pdf" https://api.example.com/upload
curl -T build.zip https://artifacts.example.com/build.zip
curl -O https://nodejs.org/dist/v20.0.0/node-v20.0.0.tar.gz
curl -L https://github.com/org/repo/archive/main.tar.gz | tar xz
curl -sSL https://example.com/data.csv -o data.csv
curl -s https://api.example.com | python3 -m json.tool
curl -s https://api.example.com | python3 -c "import sys,json; print(json.load(sys.stdin)['id'])"
curl -s localhost:9200/_cat/indices | sort | head
curl -fsS http://localhost:8080/healthz || exit 1
curl -I https://example.com
curl -s https://example.com/page | grep -o "href=.*" | sort -u
curl https://example.com/x.json | node -e "process.stdin.pipe(process.stdout)"
wget https://example.com/file.zip
wget -q https://example.com/data.csv -O data.csv
wget -qO- https://example.com/version.txt
wget https://example.com/pkg.deb && sudo dpkg -i pkg.deb
http GET https://api.example.com/items
docker build -t app .
docker run --rm -it node:20 bash
docker run -v $(pwd):/app -w /app node:20 npm test
docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=x postgres
docker run --rm -v ./data:/data -v app-cache:/cache app
docker exec -it app sh
docker exec db psql -U postgres -c "SELECT count(*) FROM users"
docker ps -a
docker logs -f app
docker compose up -d
docker compose down
docker compose down -v
docker system prune -f
docker rm -f app
docker rmi app:old
docker push registry.example.com/app:1
kubectl get pods
kubectl get pods -n prod -o yaml
kubectl get secrets
kubectl describe pod x
kubectl logs -f deploy/app
kubectl apply -f k8s/
kubectl rollout restart deploy/app
kubectl exec -it pod -- ls /app
kubectl exec pod -- env
kubectl port-forward svc/db 5432
kubectl delete pod x --dry-run=client
kubectl scale deploy app --replicas=3
helm upgrade --install app ./chart
helm list
terraform init
terraform plan
terraform apply
terraform plan -destroy
terraform fmt -recursive
aws s3 ls
aws s3 cp file.txt s3://bucket/
aws s3 sync dist/ s3://site --delete
aws sts get-caller-identity
aws ec2 describe-instances
aws lambda update-function-code --function-name f --zip-file fileb://f.zip
gcloud config list
gcloud run deploy app
az login
gh pr create --fill
gh pr list
gh run watch
gh release create v1.0.0
psql -c "SELECT * FROM users LIMIT 10"
psql -f schema.sql
psql "$DATABASE_URL" -c "UPDATE users SET active = true WHERE id = 7"
mysql -e "SHOW TABLES"
sqlite3 app.db "SELECT name FROM sqlite_master"
sqlite3 app.db ".tables"
redis-cli ping
redis-cli get key
mongosh --eval "db.users.find()"
pg_dump app > backup.sql
createdb test
systemctl status nginx
sudo systemctl restart nginx
sudo systemctl enable --now docker
service postgresql start
journalctl -u app -n 100
ps aux | grep node
kill 1234
kill -9 $(lsof -t -i:3000)
pkill -f "node server.js"
killall node
lsof -i :3000
netstat -tlnp
ss -tlnp
nc -zv localhost 5432
nc -l 8080
timeout 1 bash -c '</dev/tcp/localhost/5432'
timeout 5 bash -c 'until echo > /dev/tcp/db/5432; do sleep 1; done'
ping -c 1 example.com
dig example.com
nslookup example.com
openssl s_client -connect example.com:443
openssl rand -hex 32
openssl x509 -in cert.pem -noout -text
openssl enc -aes-256-cbc -in f -out f.enc
env
env | sort
env | grep NODE
printenv PATH
export NODE_ENV=production
export PATH=$PATH:/usr/local/go/bin
set -euo pipefail
set -a; source .env; set +a
export $(cat .env | xargs)
export $(grep -v '^#' .env | xargs)
grep DATABASE_URL .env
echo "PORT=3000" >> .env
docker run --env-file .env app
dotenv -e .env.test -- npm test
echo "hello world"
echo "rm -rf /"
echo 'curl http://x | sh' > notes.txt
echo "DROP TABLE users" | wc -c
echo $HOME
printf "%s\n" a b c
bash scripts/test.sh
sh ./run.sh --fast
bash -n script.sh
bash -lc "npm test"
bash -c "cd app && npm run build"
cat script.sh | bash -n
sed -i 's/foo/bar/g' src/*.ts
awk '{print $1}' file.txt
sort file | uniq -c | sort -rn
xargs -n1 echo < list.txt
find . -name "*.ts" | xargs wc -l
git ls-files | xargs prettier --check
ls | xargs -I{} echo {}
jq '.scripts' package.json
yq e '.services' docker-compose.yml
base64 image.png > image.b64
echo "aGVsbG8=" | base64 -d
base64 -d secret.b64 > secret.bin
echo aGVsbG8= | base64 --decode | jq .
npm test 2>&1 | tee test.log
nohup node server.js > out.log 2>&1 &
sleep 5 && curl localhost:3000
while ! nc -z localhost 5432; do sleep 1; done
for f in *.txt; do echo "$f"; done
for i in 1 2 3; do curl -s localhost:$i; done
if [ -f .env ]; then echo yes; fi
[ -d node_modules ] || npm ci
test -f x && rm x
trap 'rm -rf "$TMP"' EXIT
trap "kill 0" EXIT
crontab -l
history | tail -20
alias ll='ls -la'
sudo apt-get update && sudo apt-get install -y curl git
apk add --no-cache bash
brew install jq
dpkg -l | grep ssl
df -h
du -sh *
uname -a
whoami
command -v docker
dd if=/dev/zero of=test.img bs=1M count=10
dd if=/dev/urandom of=/tmp/random bs=1k count=1
mkfs.ext4 disk.img
truncate -s 0 app.log
: > app.log
echo test > /dev/null
cmd > /dev/null 2>&1
cat /proc/cpuinfo
cat /etc/os-release
cat /etc/hosts
cat /etc/passwd | cut -d: -f1
getent hosts example.com
ufw status
iptables -L
npm config get registry
vim ~/.bashrc
source ~/.bashrc
open http://localhost:3000
jest --coverage
playwright test
webpack --mode production
vite build
esbuild src/index.ts --bundle --outfile=dist/index.js
docker-compose exec web python manage.py shell
heroku logs --tail
vercel --prod
wrangler deploy
ansible-playbook site.yml
pulumi up
cdk deploy
./gradlew clean assembleDebug
mvn clean package
dotnet build
xcodebuild -scheme App
pod install
bundle install
rails db:migrate
composer install
php artisan migrate
ruby -e 'puts 1'
perl -pe 's/a/b/' file
perl -ne 'print if /x/' file
eval "$(ssh-agent -s)"
eval "$(direnv hook bash)"
eval "$(pyenv init -)"
eval $(opam env)
source <(kubectl completion bash)
`
  .trim()
  .split('\n')

/** The same, with here-documents. */
export const HONEST_SCRIPTS: readonly string[] = [
  "cat > hello.py <<'PY'\nprint('hello')\nPY",
  'cat <<EOF > config.json\n{"a": 1}\nEOF\nnpm test',
  'cat <<EOF | kubectl apply -f -\nkind: ConfigMap\nEOF',
  "python3 - <<'PY'\nimport json\nprint(json.dumps({'a': 1}))\nPY",
  'cat > notes.md <<END\nNever run rm -rf / on a server, or curl http://x | sh.\nEND',
  'set -e\n# rm -rf / would be bad\nnpm ci\nnpm run build\nrm -rf dist.old && mv dist dist.old',
  'case "$1" in\n  start) npm start ;;\n  clean) rm -rf build ;;\nesac',
  'build() {\n  rm -rf "$OUT"\n  mkdir -p "$OUT"\n}\nbuild',
  'git commit -F - <<MSG\nfix: no longer pipes curl into sh\n\nrm -rf / is gone\nMSG',
]

export const HONEST_SQL: readonly string[] = [
  'SELECT * FROM users',
  "SELECT id, name FROM customers WHERE country = 'DE' ORDER BY name LIMIT 10",
  'SELECT a FROM x UNION SELECT b FROM y',
  'SELECT a FROM x UNION ALL SELECT b FROM y WHERE c = 1 OR d = 2',
  "INSERT INTO notes (text) VALUES ('DROP TABLE users; DELETE FROM x')",
  "UPDATE users SET name = 'x' WHERE id = 7",
  'UPDATE o SET total = s.t FROM (SELECT 1 AS t) s WHERE o.id = s.t',
  'DELETE FROM sessions WHERE expires_at < now()',
  'DELETE FROM cart USING users WHERE cart.user_id = users.id',
  'CREATE TABLE t (id int primary key, updated timestamptz)',
  'CREATE INDEX CONCURRENTLY i ON t (a)',
  'DROP INDEX i',
  'DROP VIEW IF EXISTS v',
  'DROP TABLE IF EXISTS tmp_import',
  'DROP TABLE #scratch',
  'TRUNCATE staging_orders',
  'ALTER TABLE users DROP COLUMN x',
  'GRANT SELECT ON t TO reader',
  'EXPLAIN ANALYZE SELECT 1',
  'WITH old AS (SELECT id FROM t WHERE x < 1) DELETE FROM t WHERE id IN (SELECT id FROM old)',
  'COPY t TO STDOUT WITH CSV',
  'SELECT pg_size_pretty(pg_database_size(current_database()))',
  'INSERT INTO t SELECT * FROM u ON CONFLICT (id) DO UPDATE SET a = excluded.a',
  "SELECT * FROM t WHERE name LIKE '%drop%' -- DROP TABLE t",
  'MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = 1',
  "SELECT count(*) FROM logs WHERE message = 'rm -rf /'",
]

export const HONEST_CODE: readonly string[] = [
  'import os\nprint(os.getcwd())',
  'import subprocess\nsubprocess.run(["git", "status"], check=True)',
  'import subprocess; subprocess.run("npm test", shell=True)',
  'import requests\nr = requests.get("https://api.example.com", headers={"Authorization": f"Bearer {os.environ[\'TOKEN\']}"})\nprint(r.json())',
  'import shutil; shutil.rmtree("build", ignore_errors=True)',
  'import shutil; shutil.rmtree(tmp_dir)',
  'import pickle\nwith open("model.pkl", "rb") as f: model = pickle.load(f)',
  'import pandas as pd\ndf = pd.read_csv("data.csv")\ndf.query("a > 1").head()',
  'df.eval("c = a + b")',
  'result = eval("1 + 1")',
  'model.eval()\nwith torch.no_grad(): out = model(x)',
  'import base64; print(base64.b64decode("aGVsbG8=").decode())',
  'import socket; s = socket.socket(); s.connect(("localhost", 5432)); s.close()',
  'const { execSync } = require("child_process"); execSync("npm run build", { stdio: "inherit" })',
  'await fs.rm("dist", { recursive: true, force: true })',
  'const match = /a(b)/.exec("ab"); console.log(match[1])',
  'const data = JSON.parse(fs.readFileSync("package.json", "utf8"))',
  'const text = atob("aGVsbG8=")',
  'fetch("https://api.example.com", { headers: { authorization: process.env.TOKEN } })',
  '!pip install numpy\nimport numpy as np',
  '%matplotlib inline\nimport matplotlib.pyplot as plt',
  'open("out.txt", "w").write("rm -rf /")',
  'with open("/etc/hosts") as f: print(f.read())',
  'cursor.execute("SELECT * FROM users WHERE id = %s", (user_id,))',
  'logger.info("DROP TABLE users")',
]

export const HONEST_POWERSHELL: readonly string[] = [
  'Get-ChildItem -Recurse',
  'Get-Process | Where-Object { $_.CPU -gt 10 }',
  'Remove-Item -Recurse -Force .\\dist',
  'Remove-Item -Recurse -Force node_modules',
  'Remove-Item C:\\temp\\x.txt',
  'Invoke-WebRequest https://example.com/file.zip -OutFile file.zip',
  'Invoke-RestMethod https://api.example.com/users | ConvertTo-Json',
  '[Convert]::FromBase64String($x)',
  'Get-MpPreference',
  'powershell -File build.ps1',
  'powershell -ExecutionPolicy Bypass -File .\\build.ps1',
  'dotnet test --configuration Release',
  'Set-Location C:\\src; npm test',
  '$env:NODE_ENV = "test"; npm test',
]

/** Whole calls of other tools. */
export const HONEST_CALLS: readonly { readonly tool: string; readonly args: unknown }[] = [
  { tool: 'read_file', args: { path: 'src/index.ts' } },
  { tool: 'read_file', args: { path: '/workspace/.env.example' } },
  {
    tool: 'write_file',
    args: { path: 'README.md', content: 'Install:\n\ncurl -fsSL https://example.com/i.sh | sh\n\nrm -rf / is bad' },
  },
  { tool: 'str_replace', args: { path: 'a.py', old_str: 'os.system("rm -rf /")', new_str: 'pass' } },
  {
    tool: 'Edit',
    args: { file_path: 'docs/sql.md', old_string: 'DROP TABLE users;', new_string: 'DELETE FROM users;' },
  },
  { tool: 'send_message', args: { to: 'bob', text: 'Please do not run rm -rf / on prod.' } },
  {
    tool: 'send_email',
    args: { to: 'a@example.com', subject: 'union select committee', body: "It's either 1 or 2; drop by the table." },
  },
  { tool: 'web_search', args: { query: 'how to undo git push --force' } },
  { tool: 'web_search', args: { query: 'rm -rf / explained' } },
  { tool: 'web_search', args: { query: 'what does "curl | sh" mean' } },
  { tool: 'search', args: { q: "O'Brien or O'Neil" } },
  { tool: 'fetch', args: { url: 'https://example.com/a?b=c' } },
  { tool: 'get_weather', args: { city: 'Berlin' } },
  { tool: 'book_flight', args: { from: 'SFO', to: 'JFK', passengers: [{ name: 'Ann Lee' }] } },
  { tool: 'calculate', args: { expression: '1 + 2 * 3' } },
  { tool: 'think', args: { thought: 'I should not run rm -rf / here.' } },
  { tool: 'bash', args: { command: 'ls', description: 'rm -rf / is what we will not do' } },
  { tool: 'grep', args: { pattern: 'curl .* | sh', path: 'docs' } },
  { tool: 'TodoWrite', args: { todos: [{ content: 'drop table users', status: 'pending' }] } },
  { tool: 'shell', args: { command: ['bash', '-lc', 'npm test'] } },
  { tool: 'shell', args: { command: ['rm', '-rf', 'dist'] } },
  { tool: 'list_dir', args: { path: '/' } },
  { tool: 'list_dir', args: { path: '~' } },
]
