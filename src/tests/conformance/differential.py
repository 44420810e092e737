#!/usr/bin/env python3
"""differential.py - writes a .test script of generated queries with the answers of a real Prometheus.

    differential.py SEED COUNT PORT OUT.test [PICKED.txt]
    conformance_promql_test -x OUT.test

With PICKED.txt (differential_picked.txt beside this file) its expressions are asked first, each at a
time and over a range, and COUNT generated ones after them.

Random counters, gauges and a classic histogram go into a block (promtool), Debian's Prometheus serves
it on the loopback PORT and is asked; times of evaluation lie beside the samples, so that the left-open
windows of 3.x and the closed ones of 2.x see the same. What then differs and is known: atan2 drops the
name (3.x), one side's duplicates count also where a filter drops them (3.9), extrapolation looks at the
threshold before the zero (2.51), ties of topk, subqueries of windows whose steps meet samples, and
predict_linear with @ in ranges, which 2.42 forgets after two steps.
"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

seed, N, PORT, OUT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
TMP = tempfile.mkdtemp(prefix="promql-differential-")
D = TMP + "/data"
R = random.Random(seed)
STEP=15; PTS=120   # 30 minutes
series=[]
def gap(): return R.random()<0.06
for name in ('c_total','d_total'):
  for a in 'xyz':
    for b in '123':
      v=0.0; pts=[]
      for i in range(PTS):
        if R.random()<0.03: v=0.0
        v+= round(R.random()*10,3)
        pts.append(None if gap() else v)
      series.append((name,{'a':a,'b':b},pts))
for name in ('g','h'):
  for a in 'xyz':
    for b in '12':
      series.append((name,{'a':a,'b':b},[None if gap() else round(R.gauss(50,30),4) for i in range(PTS)]))
for a in 'xyz':
  series.append(('one',{'a':a,'extra':'e'+a},[1.0]*PTS))
for a in 'xy':
  cum=[0.0]*5
  cols=[[] for _ in range(5)]
  for i in range(PTS):
    add=[R.randint(0,5) for _ in range(5)]
    s=0
    for k in range(5):
      s+=add[k]; cum[k]+=s
      cols[k].append(cum[k])
  for k,le in enumerate(['0.1','0.5','1.0','5.0','+Inf']):
    series.append(('lat_bucket',{'a':a,'le':le},cols[k]))
# openmetrics
with open(TMP+'/om.txt','w') as f:
  names=[]
  for n,l,p in series:
    if n not in names: names.append(n)
  for n in names:
    f.write('# TYPE %s unknown\n'%n)
    for nn,l,p in series:
      if nn!=n: continue
      lab=','.join('%s="%s"'%kv for kv in l.items())
      for i,v in enumerate(p):
        if v is not None: f.write('%s{%s} %r %d\n'%(nn,lab,v,i*STEP))
  f.write('# EOF\n')
r=subprocess.run(['promtool','tsdb','create-blocks-from','openmetrics',TMP+'/om.txt',D],capture_output=True,text=True)
open(TMP+'/p.yml','w').write('global: {}\n')
P=subprocess.Popen(['prometheus','--config.file='+TMP+'/p.yml','--storage.tsdb.path='+D,'--web.listen-address=127.0.0.1:'+PORT,'--storage.tsdb.retention.time=100y','--log.level=error','--enable-feature=promql-negative-offset,promql-at-modifier'],stdout=subprocess.DEVNULL,stderr=open(TMP+'/prom.log','w'))
for _ in range(100):
  try:
    urllib.request.urlopen('http://127.0.0.1:'+PORT+'/-/ready'); break
  except Exception: time.sleep(0.1)
# generator
def sel(names=None):
  n=R.choice(names or ['c_total','d_total','g','h'])
  m=R.choice(['','','{a="x"}','{a=~"x|y"}','{b!="1"}','{a!~"z.*",b="2"}'])
  return n+m
def mod():
  return R.choice(['','','','',' offset 1m',' offset -30s',' @ 900.5',' offset 2m @ 1200.5',' @ end()',' @ start()'])
DUR=['1m','2m','5m','150s','10m']
def vec(d):
  k=R.random()
  if d<=0 or k<0.15: return sel()+mod()
  if k<0.40:
    f=R.choice(['rate','increase','delta','irate','idelta','sum_over_time','avg_over_time','max_over_time','min_over_time','count_over_time','stddev_over_time','stdvar_over_time','last_over_time','present_over_time','changes','resets','deriv'])
    inner=sel(['c_total','d_total'] if f in('rate','increase','irate','resets') else None)
    if R.random()<0.2 and d>1: rng='(%s)[%s:%s]'%(vec(d-2),R.choice(DUR),R.choice(['37s','61s','43s']))+R.choice(['',' offset 1m',' @ 1000.5'])
    else: rng='%s[%s]'%(inner,R.choice(DUR))+mod()
    if f=='deriv' and R.random()<0.5: return 'predict_linear(%s, %d)'%(rng,R.randint(1,600))
    if R.random()<0.1: return 'quantile_over_time(%.2f, %s)'%(R.random(),rng)
    return '%s(%s)'%(f,rng)
  if k<0.60:
    op=R.choice(['sum','avg','min','max','count','group','stddev','stdvar'])
    g=R.choice(['',' by (a)',' by (b)',' by (a, b)',' without (a)',' without (b)',' by (nope)'])
    if R.random()<0.25:
      op2=R.choice(['topk','bottomk'])
      return '%s%s(%d, %s)'%(op2,g,R.randint(1,3),vec(d-1))
    if R.random()<0.2: return 'quantile%s(%.2f, %s)'%(g,R.random(),vec(d-1))
    return '%s%s(%s)'%(op,g,vec(d-1))
  if k<0.80:
    op=R.choice(['+','-','*','/','%','^','==','!=','<','>','<=','>=','and','or','unless'])
    setop=op in('and','or','unless')
    b=R.choice(['',' bool']) if op in('==','!=','<','>','<=','>=') else ''
    if R.random()<0.35 and not setop:
      s=R.choice(['2','0.5','100','scalar(one{a="x"})','time() / 1000','-3'])
      return '(%s %s%s %s)'%((vec(d-1),op,b,s) if R.random()<0.6 else (s,op,b,vec(d-1)))
    m=R.choice(['','','on(a, b)','ignoring(a)','on(a)','ignoring(b)'])
    if m and not setop and R.random()<0.5: m+=R.choice([' group_left',' group_right',' group_left(extra)'])
    r='one' if 'group_left' in m and R.random()<0.6 else vec(d-1)
    if r=='one': m='on(a) group_left(extra)'
    return '(%s %s%s %s %s)'%(vec(d-1),op,b,m,r)
  if k<0.93:
    f=R.choice(['abs','ceil','floor','exp','ln','log2','log10','sqrt','sgn','round','-','timestamp','sin','cos','tan','atan','sinh','asinh','deg','rad','day_of_week','hour','minute'])
    if f=='-': return '(-%s)'%vec(d-1)
    if R.random()<0.15: return 'clamp(%s, %d, %d)'%(vec(d-1),R.randint(0,30),R.randint(31,80))
    if R.random()<0.1: return 'round(%s, %.1f)'%(vec(d-1),R.random()+0.1)
    if R.random()<0.1: return 'label_replace(%s, "%s", "$1-q", "a", "(x|y)")'%(vec(d-1),R.choice(['a','b','n']))
    if R.random()<0.1: return 'label_join(%s, "%s", "-", "a", "b")'%(vec(d-1),R.choice(['a','n']))
    if R.random()<0.05: return 'absent(%s)'%vec(d-1)
    return '%s(%s)'%(f,vec(d-1))
  if k<0.97:
    return 'histogram_quantile(%.2f, %s)'%(R.random(),R.choice(['lat_bucket','rate(lat_bucket[5m])','sum by (le) (rate(lat_bucket[2m]))','sum by (a, le) (increase(lat_bucket[10m]))']))
  return R.choice(['sort(%s)','sort_desc(%s)','vector(scalar(%s))','absent_over_time(nope{a="x"}[5m]) or %s','count_values("v", round(%s))'])%vec(d-1)
def ask(q,rng):
  p={'query':q}
  if rng: p.update(start='600.5',end='1500.5',step='100'); u='query_range'
  else: p.update(time='1200.5'); u='query'
  try:
    r=urllib.request.urlopen('http://127.0.0.1:'+PORT+'/api/v1/'+u+'?'+urllib.parse.urlencode(p)); return json.load(r)
  except urllib.error.HTTPError as e: return json.load(e)
def num(v): return {'+Inf':'Inf'}.get(v,v)
def lab(m):
  return '{'+','.join('%s=%s'%(k,json.dumps(v)) for k,v in m.items())+'}'
picked=[]
if len(sys.argv)>5: picked=[(q,rng) for q in open(sys.argv[5]).read().splitlines() for rng in (False,True)]
out=open(OUT,'w')
out.write('load 15s\n')
for n,l,p in series:
  out.write('  %s{%s} %s\n'%(n,','.join('%s="%s"'%kv for kv in l.items()),' '.join('_' if v is None else repr(v) for v in p)))
out.write('\n')
fails={}
cnt=0
try:
  while cnt<N+len(picked):
    if cnt<len(picked): q,rng=picked[cnt]
    else: q=vec(R.randint(1,4)); rng=R.random()<0.5
    a=ask(q,rng); cnt+=1
    head='eval range from 600500ms to 1500500ms step 100s ' if rng else 'eval instant at 1200500ms '
    out.write(head+q+'\n')
    if a['status']!='success':
      out.write('  expect fail\n\n'); fails[a['error'][:60]]=fails.get(a['error'][:60],0)+1; continue
    d=a['data']
    for s in d['result'] if d['resultType'] in('vector','matrix') else []:
      if d['resultType']=='vector': out.write('  %s %s\n'%(lab(s['metric']),num(s['value'][1])))
      else:
        pts={round(float(t)*1000):v for t,v in s['values']}
        out.write('  %s %s\n'%(lab(s['metric']),' '.join(num(pts[600500+i*100000]) if 600500+i*100000 in pts else '_' for i in range(10))))
    if d['resultType']=='string': out.write('  expect string %s\n'%json.dumps(d['result'][1]))
    if d['resultType']=='scalar': out.write('  %s\n'%num(d['result'][1]))
    out.write('\n')
finally:
  P.terminate(); P.wait(); subprocess.run(['rm','-rf',TMP])
print(cnt,'queries; errors of theirs:',sorted(fails.items(),key=lambda x:-x[1])[:6])
